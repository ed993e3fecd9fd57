import { figure } from "@/words/numbers";
import { KIND_ORDER, type Kind } from "@/words/states";

export type KindCounts = Partial<Record<Kind, number>>;

/** Counts by state as one bar: trouble at the left, what waits at the right. Its label holds all counts. */
export function SegmentedBar({
  counts,
  big = false,
  width,
}: {
  counts: KindCounts;
  big?: boolean;
  width?: number;
}) {
  const present = KIND_ORDER.filter((kind) => (counts[kind] ?? 0) > 0);
  const label = present.map((kind) => `${figure(counts[kind] ?? 0)} ${kind}`).join(", ") || "no tasks";
  return (
    <span className={big ? "bar big" : "bar"} role="img" aria-label={label} title={label} style={{ width }}>
      {present.map((kind) => (
        <i key={kind} className={`k-${kind}`} style={{ "--n": counts[kind] } as React.CSSProperties} />
      ))}
    </span>
  );
}
