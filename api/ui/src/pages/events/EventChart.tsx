/** How many events in each span of time. */

import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type Asked, eventCountsQuery } from "@/data/events";
import { useClock } from "@/data/preferences";
import { counted } from "@/words/numbers";
import { moment } from "@/words/times";

const HEIGHT = 54;

export function EventChart({ asked }: { asked: Asked }) {
  const counts = useQuery(eventCountsQuery(asked)).data ?? [];
  const clock = useClock();
  const { ref, width } = useElementSize();
  const most = Math.max(...counts.map((each) => each.count), 1);
  const wide = counts.length ? width / counts.length : 0;
  const first = counts[0];
  const total = counts.reduce((sum, each) => sum + each.count, 0);
  const now = new Date();
  return (
    <div className="ev-chart" ref={ref}>
      <svg width={width} height={HEIGHT + 18} role="img" aria-label={counted(total, "event")}>
        <line className="s-line2" x1="0" x2={width} y1={HEIGHT} y2={HEIGHT} />
        {counts.map((each, at) => {
          const tall = each.count ? Math.max(2, (HEIGHT * each.count) / most) : 0;
          return (
            <rect
              key={each.value}
              className="f-ink3"
              x={at * wide}
              y={HEIGHT - tall}
              width={Math.max(1, wide - 1)}
              height={tall}
            >
              <title>{`${counted(each.count, "event")}, ${moment(new Date(each.start_time), now, clock)}`}</title>
            </rect>
          );
        })}
        <line className="s-sun" x1={width - 1} x2={width - 1} y1="0" y2={HEIGHT} strokeWidth="2" />
        {first && (
          <text x="0" y={HEIGHT + 14}>
            {moment(new Date(first.start_time), now, clock)}
          </text>
        )}
        <text x={width} y={HEIGHT + 14} textAnchor="end">
          now
        </text>
      </svg>
    </div>
  );
}
