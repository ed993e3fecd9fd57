/** The numbers of an artifact over its versions: progress, or the number fields of its first row. */

import { useElementSize } from "@mantine/hooks";
import type { Artifact } from "@/data/artifacts";
import { asRows } from "@/parts/artifact/ArtifactTable";
import { short } from "@/words/numbers";

const HEIGHT = 72;
const MOST_LINES = 4;

/** Series of numbers by name, the oldest version first; only names that each version has. */
export function seriesOf(versions: readonly Artifact[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const ordered = [...versions].reverse();
  ordered.forEach((version, at) => {
    for (const [name, value] of numbersIn(version.data)) {
      const values = found.get(name) ?? [];
      if (values.length === at) found.set(name, [...values, value]);
    }
  });
  return new Map([...found].filter(([, values]) => values.length === ordered.length && values.length > 1));
}

function numbersIn(data: unknown): [string, number][] {
  if (typeof data === "number") return [["value", data]];
  const row =
    asRows(data)?.[0] ?? (typeof data === "object" && data !== null && !Array.isArray(data) ? data : null);
  if (!row) return [];
  return Object.entries(row).filter((pair): pair is [string, number] => typeof pair[1] === "number");
}

export function NumbersOverTime({ versions }: { versions: readonly Artifact[] }) {
  const { ref, width } = useElementSize();
  const series = [...seriesOf(versions)].slice(0, MOST_LINES);
  if (series.length === 0) return null;
  return (
    <div className="art-plots bt" ref={ref}>
      {width > 0 &&
        series.map(([name, values]) => (
          <Plot key={name} name={name} values={values} width={Math.min(width / series.length - 20, 520)} />
        ))}
    </div>
  );
}

function Plot({ name, values, width }: { name: string; values: number[]; width: number }) {
  const least = Math.min(...values, 0);
  const most = Math.max(...values, least + 1e-9);
  const x = (at: number) => (at * (width - 6)) / (values.length - 1);
  const y = (value: number) => HEIGHT - 4 - ((value - least) / (most - least)) * (HEIGHT - 12);
  const line = values
    .map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  const last = values.length - 1;
  return (
    <figure>
      <figcaption className="q sm">
        {name} <b className="b">{short(values[last] ?? 0)}</b>
      </figcaption>
      <svg
        className="spark"
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={`${name} over ${values.length} versions`}
      >
        <path className="l" d={line} />
        <circle cx={x(last)} cy={y(values[last] ?? 0)} r="3" />
      </svg>
    </figure>
  );
}
