import { useMemo } from "react";
import type { Pool } from "@/data/deployments";
import type { Upcoming } from "@/data/upcoming";
import { loadOf, spansOf } from "./calendar";

/** How many runs will be at work, hour by hour, as far as usual lengths tell; the line is the pools' limit. */
export function LoadRow({
  data,
  starts,
  pools,
  pool,
}: {
  data: Upcoming;
  starts: readonly number[];
  pools: readonly Pool[];
  pool: string;
}) {
  const first = starts[0] ?? 0;
  const hours = Math.round(((starts.at(-1) ?? first) - first) / 3_600_000);
  const load = useMemo(() => loadOf(spansOf(data), first, hours), [data, first, hours]);
  const limit = pools.find((each) => each.name === pool)?.concurrency_limit ?? null;
  const most = Math.max(...load, limit ?? 0, 0.5);
  const peak = Math.max(...load, 0);
  const step = 980 / Math.max(1, hours);
  return (
    <div className="loadrow">
      <span className="q sm">Runs, forecast</span>
      <svg
        viewBox="0 0 980 36"
        preserveAspectRatio="none"
        role="img"
        aria-label={`Runs at work by hour, from usual lengths: at most ${peak.toFixed(1)} at a time`}
      >
        {load.map((each, at) => {
          const height = (32 * each) / most;
          return (
            <rect
              key={at}
              className={limit !== null && each > limit ? "f-late" : "f-soft2"}
              x={at * step}
              y={34 - height}
              width={Math.max(0.5, step - 1)}
              height={height}
            >
              <title>{`${each.toFixed(1)} runs at a time`}</title>
            </rect>
          );
        })}
        {limit !== null && (
          <path
            d={`M0 ${34 - (32 * limit) / most}H980`}
            stroke="var(--ink-3)"
            strokeDasharray="2 3"
            fill="none"
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
    </div>
  );
}
