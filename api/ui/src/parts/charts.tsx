/** Small charts of single rows: length against the usual, past runs, a line with its newest point. */

import { duration } from "@/words/numbers";
import { kindOf, wordOf } from "@/words/states";

/** Length against a tick at the median of past runs; orange beyond the 95th percentile. */
export function UsualBar({ seconds, median, p95 }: { seconds: number; median: number; p95?: number }) {
  const whole = Math.max(seconds, median * 1.25, 0.001);
  const over = p95 !== undefined && seconds > p95;
  const label = `${duration(seconds)}, usually ${duration(median)}`;
  return (
    <span className="durbar" role="img" aria-label={label} title={label}>
      <i className={over ? "over" : ""} style={{ width: `${(100 * seconds) / whole}%` }} />
      <b style={{ left: `${(100 * median) / whole}%` }} />
    </span>
  );
}

export type PastRun = {
  id: string;
  name: string;
  type: string | null;
  state: string | null;
  seconds: number | null;
};

/** One bar a run: height is the square root of its length, hollow is scheduled, a dot is none. */
export function RunBars({
  runs,
  places = runs.length,
  label,
}: {
  runs: PastRun[];
  places?: number;
  label: string;
}) {
  const longest = Math.max(...runs.map((run) => run.seconds ?? 0), 0.001);
  const missing = Math.max(0, places - runs.length);
  return (
    <span className="rb" role="img" aria-label={label}>
      {Array.from({ length: missing }, (_, at) => (
        <i key={at} className="none" />
      ))}
      {runs.map((run) => (
        <i
          key={run.id}
          className={`k-${kindOf(run.type, run.state)}`}
          title={`${run.name}: ${wordOf(run.type, run.state)}${run.seconds === null ? "" : `, ${duration(run.seconds)}`}`}
          style={
            { "--h": `${Math.max(3, 20 * Math.sqrt((run.seconds ?? 0) / longest))}px` } as React.CSSProperties
          }
        />
      ))}
    </span>
  );
}

/** A thin line over equal steps of time, with a point at the newest value. */
export function Sparkline({
  values,
  width = 54,
  height = 18,
  label,
}: {
  values: number[];
  width?: number;
  height?: number;
  label: string;
}) {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1e-9);
  const x = (at: number) => (at * (width - 3)) / (values.length - 1);
  const y = (value: number) => height - 1.5 - (value / most) * (height - 4);
  const line = values
    .map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  const last = values.length - 1;
  return (
    <svg className="spark" width={width} height={height} role="img" aria-label={label}>
      <path className="a" d={`${line}L${x(last)} ${height}L0 ${height}Z`} />
      <path className="l" d={line} />
      <circle cx={x(last)} cy={y(values[last] ?? 0)} r="2.4" />
    </svg>
  );
}
