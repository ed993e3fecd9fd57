/** Slots as cells: taken ones filled, free ones hollow. Above a number they become a meter. */

const MOST_CELLS = 48;

export function Cells({
  taken,
  total,
  tone = "running",
  label,
}: {
  taken: number;
  /** null: there is no limit. */
  total: number | null;
  tone?: "running" | "late";
  label: string;
}) {
  if (total === null)
    return (
      <span className="q" title={label}>
        no limit
      </span>
    );
  if (total > MOST_CELLS || total === 0) {
    const share = total ? Math.min(1, taken / total) : 0;
    return (
      <span className={`meter cells-meter k-${tone}`} role="img" aria-label={label} title={label}>
        {total > 0 && <i style={{ width: `${100 * share}%` }} />}
      </span>
    );
  }
  return (
    <span className={`cells k-${tone}`} role="img" aria-label={label} title={label}>
      {Array.from({ length: Math.max(total, taken) }, (_, number) => (
        <i key={number} className={number < taken ? (number < total ? "on" : "on over") : undefined} />
      ))}
    </span>
  );
}
