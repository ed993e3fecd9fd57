/** How busy the cluster was over the past hours: CPU, GPU and memory, each against what there was. */

import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type Load, loadQuery } from "@/data/load";
import { useClock } from "@/data/preferences";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { bytes, percent } from "@/words/numbers";
import { hourMinute } from "@/words/times";
import { useState } from "react";

type More = Load & { memory_used: number; memory_total: number; nodes: number };

const ROW = 64;
const GAP = 12;
const GUTTER = 92;

const KINDS = [
  { name: "CPU", used: (each: More) => each.cpu_used, total: (each: More) => each.cpu_total, shown: String },
  { name: "GPU", used: (each: More) => each.gpu_used, total: (each: More) => each.gpu_total, shown: String },
  {
    name: "Memory",
    used: (each: More) => each.memory_used,
    total: (each: More) => each.memory_total,
    shown: bytes,
  },
] as const;

export function LoadChart({ hours }: { hours: number }) {
  const [since] = useState(() => new Date(Date.now() - hours * 3_600_000).toISOString());
  const query = useQuery(loadQuery(since));
  return (
    <section aria-label="Load">
      <SectionHead title="Load" count={`past ${hours} h`} />
      <Loaded query={query} what="The load" rows={4}>
        {(load) =>
          load.length < 2 ? (
            <p className="note line-more">
              Too little has been seen yet: a sample is kept every ten seconds.
            </p>
          ) : (
            <Drawn load={load as More[]} from={Date.parse(since)} />
          )
        }
      </Loaded>
    </section>
  );
}

function Drawn({ load, from }: { load: More[]; from: number }) {
  const { ref, width: measured } = useElementSize();
  const clock = useClock();
  const width = Math.max(280, measured);
  const kinds = KINDS.filter((kind) => load.some((each) => kind.total(each) > 0));
  const to = Math.max(...load.map((each) => Date.parse(each.at)));
  const x = (at: number) => GUTTER + ((width - GUTTER - 6) * (at - from)) / Math.max(1, to - from);
  const step = Math.min(
    ...load.slice(1).map((each, at) => Date.parse(each.at) - Date.parse(load[at]?.at ?? "")),
  );
  const newest = load.at(-1) as More;
  return (
    <div className="lanes" ref={ref}>
      <svg width={width} height={kinds.length * (ROW + GAP) + 14} role="img" aria-label="Load over time">
        {kinds.map((kind, number) => {
          const top = number * (ROW + GAP) + 4;
          const most = Math.max(...load.map(kind.total), 1e-9);
          const y = (value: number) => top + ROW - (ROW * Math.min(value, most)) / most;
          return (
            <g key={kind.name}>
              <text className="ink b" x="0" y={top + 12}>
                {kind.name}
              </text>
              <text x="0" y={top + 27}>
                {percent(kind.used(newest), kind.total(newest)) || "0 %"}
              </text>
              <text x="0" y={top + 42}>
                of {kind.shown(Math.round(kind.total(newest)))}
              </text>
              <path className="s-line2" d={`M${GUTTER} ${top + ROW + 0.5}H${width - 6}`} />
              <path className="s-line" d={`M${GUTTER} ${top + 0.5}H${width - 6}`} />
              {stretches(load, step).map((part, at) => {
                const line = part
                  .map(
                    (each, index) =>
                      `${index ? "L" : "M"}${x(Date.parse(each.at)).toFixed(1)} ${y(kind.used(each)).toFixed(1)}`,
                  )
                  .join("");
                const [first, last] = [part[0], part.at(-1)];
                if (!first || !last) return null;
                const floor = `L${x(Date.parse(last.at))} ${top + ROW}L${x(Date.parse(first.at))} ${top + ROW}Z`;
                return (
                  <g key={at}>
                    <path className="f-soft" d={line + floor} />
                    <path className="s-ink2" strokeWidth="1.25" d={line} />
                  </g>
                );
              })}
              <circle className="f-sun" cx={x(to)} cy={y(kind.used(newest))} r="3" />
            </g>
          );
        })}
        <text x={GUTTER} y={kinds.length * (ROW + GAP) + 10}>
          {hourMinute(new Date(from), clock)}
        </text>
        <text className="ink b" x={width - 6} y={kinds.length * (ROW + GAP) + 10} textAnchor="end">
          {hourMinute(new Date(to), clock)}
        </text>
      </svg>
    </div>
  );
}

/** Samples without a gap between them: where nobody looked, no line is drawn. */
function stretches(load: readonly More[], step: number): More[][] {
  const parts: More[][] = [];
  let before = -Infinity;
  for (const each of load) {
    const at = Date.parse(each.at);
    if (at - before > step * 2.5) parts.push([]);
    parts.at(-1)?.push(each);
    before = at;
  }
  return parts;
}
