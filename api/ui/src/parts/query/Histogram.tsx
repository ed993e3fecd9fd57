/** Counts over time as stacked bars; dragging over it chooses a stretch of time. */

import { useElementSize } from "@mantine/hooks";
import { type PointerEvent, useState } from "react";
import { lately } from "@/data/now";
import { useClock } from "@/data/preferences";
import { hourMinute, moment, timeOfDay, toDate } from "@/words/times";

export type Series = { key: string; className: string; word: string };

type Props = {
  label: string;
  since: string;
  until: string;
  stepSeconds: number;
  bins: readonly Record<string, number>[];
  /** From below: trouble first. */
  series: readonly Series[];
  onBrush: (after: Date, before: Date) => void;
};

const TALL = 40;
const LEAST_PX = 2.5; // what is there is seen

export function Histogram({ label, since, until, stepSeconds, bins, series, onBrush }: Props) {
  const clock = useClock();
  const { ref, width: measured } = useElementSize<HTMLDivElement>();
  const width = Math.max(measured, 200);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const start = toDate(since).getTime();
  const end = toDate(until).getTime();
  const most = Math.max(1, ...bins.map((bin) => series.reduce((sum, each) => sum + (bin[each.key] ?? 0), 0)));
  const slot = width / Math.max(1, bins.length);
  const at = (x: number) => new Date(start + (Math.min(width, Math.max(0, x)) / width) * (end - start));
  const xOf = (event: PointerEvent) => event.clientX - event.currentTarget.getBoundingClientRect().left;
  const ended = () => {
    if (drag) {
      const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      if (to - from > 4) onBrush(at(from), at(to));
      else onBrush(at(Math.floor(from / slot) * slot), at((Math.floor(from / slot) + 1) * slot));
    }
    setDrag(null);
  };
  const labels = ticks(start, end, width);
  const isNear = Math.abs(end - lately()) < Math.max(60_000, stepSeconds * 1000);
  const isShort = end - start < 3_600_000; // several labels fall into one minute
  const oneDay = end - start < 86_400_000 * 1.5;
  return (
    <div ref={ref}>
      <svg
        className="histo"
        role="img"
        aria-label={label}
        width={width}
        height={56}
        viewBox={`0 0 ${width} 56`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ from: xOf(event), to: xOf(event) });
        }}
        onPointerMove={(event) => drag && setDrag({ ...drag, to: xOf(event) })}
        onPointerUp={ended}
        onPointerCancel={() => setDrag(null)}
      >
        <path className="s-line2" d={`M0 ${TALL + 0.5}H${width}`} />
        {bins.map((bin, place) => {
          let below = TALL;
          const told = series.filter((each) => (bin[each.key] ?? 0) > 0);
          return (
            <g key={place}>
              {told.map((each) => {
                const height = Math.max(LEAST_PX, ((bin[each.key] ?? 0) / most) * (TALL - 4));
                below -= height;
                return (
                  <rect
                    key={each.key}
                    className={each.className}
                    x={place * slot + 0.5}
                    y={Math.max(0, below)}
                    width={Math.max(1, slot - 1.2)}
                    height={height}
                  />
                );
              })}
              {told.length > 0 && (
                <rect x={place * slot} y={0} width={slot} height={TALL} fill="transparent">
                  <title>
                    {`${moment(new Date(start + place * stepSeconds * 1000), new Date(), clock)}\n` +
                      told.map((each) => `${bin[each.key] ?? 0} ${each.word}`).join(", ")}
                  </title>
                </rect>
              )}
            </g>
          );
        })}
        {drag && (
          <rect
            className="brush"
            x={Math.min(drag.from, drag.to)}
            y={0}
            width={Math.abs(drag.to - drag.from)}
            height={TALL}
            opacity={0.7}
          />
        )}
        {labels.map(({ x, time }) => (
          <text key={x} x={x} y={53}>
            {!oneDay
              ? moment(time, new Date(), clock)
              : isShort
                ? timeOfDay(time, clock)
                : hourMinute(time, clock)}
          </text>
        ))}
        {isNear && <path className="s-sun" strokeWidth={2} d={`M${width - 1} 0V${TALL}`} />}
      </svg>
    </div>
  );
}

function ticks(start: number, end: number, width: number): { x: number; time: Date }[] {
  const count = Math.max(2, Math.floor(width / 110));
  return Array.from({ length: count }, (_, place) => ({
    x: (place * width) / count,
    time: new Date(start + (place / count) * (end - start)),
  }));
}
