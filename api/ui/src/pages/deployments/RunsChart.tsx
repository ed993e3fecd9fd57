import { useElementSize } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import type { Recent } from "@/data/deployments";
import { useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import type { Usual } from "@/data/usual";
import { duration } from "@/words/numbers";
import { kindOf, wordOf } from "@/words/states";
import { dayOf, hourMinute, moment } from "@/words/times";
import { isBad } from "./pastRuns";

const FOOT = 88;
const TOP = 14;
const STEP_MOST = 26;

/** The newest runs as bars of their length, against the usual one; what failed has a tick above. */
export function RunsChart({ recent, usual }: { recent: Recent | undefined; usual: Usual | undefined }) {
  const navigate = useNavigate();
  const clock = useClock();
  const now = useNow();
  const { ref, width: measured } = useElementSize<HTMLDivElement>();
  const width = Math.max(280, Math.round(measured) || 804);
  const runs = recent?.runs ?? [];
  if (runs.length === 0)
    return <div className="note dep-none">No run yet: their lengths will stand here.</div>;
  const lengths = runs.map((run) =>
    run.start ? ((run.end ? Date.parse(run.end) : now) - Date.parse(run.start)) / 1000 : 0,
  );
  // One that took far too long does not make all others flat: it is cut, and its length stands above.
  const top = Math.max(...lengths, 0.001);
  const most = usual ? Math.max(Math.min(top, usual.p95_s * 2.5), usual.median_s * 1.15) : top;
  const step = Math.min(STEP_MOST, width / runs.length);
  const left = width - step * runs.length;
  const height = (seconds: number) => Math.max(2, ((FOOT - TOP) * Math.min(seconds, most)) / most);
  const usualY = FOOT - height(usual?.median_s ?? 0);
  const longest = lengths.indexOf(Math.max(...lengths));
  const isOutlier = usual !== undefined && (lengths[longest] ?? 0) > usual.p95_s * 1.1;
  const [first, middle] = [runs[0], runs[Math.floor(runs.length / 2)]];
  const label = (at: string | undefined) => (at ? moment(new Date(at), new Date(now), clock) : "");
  const isToday = first && dayOf(new Date(first.at), clock) === dayOf(new Date(now), clock);
  return (
    <div ref={ref}>
      <svg
        className="timechart"
        viewBox={`0 0 ${width} 106`}
        role="img"
        aria-label={`Lengths and ends of the last ${runs.length} runs`}
      >
        <path className="s-line2" d={`M0 ${FOOT + 0.5}H${width}`} />
        {runs.map((run, at) => {
          const kind = kindOf(run.state_type, run.state_name);
          const tall = height(lengths[at] ?? 0);
          const x = left + at * step + 1;
          return (
            <g key={run.id} className="dep-bar" onClick={() => void navigate({ to: `/runs/${run.id}` })}>
              <title>
                {`${run.name}: ${wordOf(run.state_type, run.state_name)}, ${duration(lengths[at] ?? 0)}, ${label(run.at)}`}
              </title>
              <rect x={x - 1} y={0} width={step} height={FOOT} fill="transparent" />
              <rect
                className={`f-${kind}`}
                x={x}
                y={FOOT - tall}
                width={Math.max(1, step - 3)}
                height={tall}
                rx={1}
              />
              {isBad(run.state_type) && (
                <path
                  d={`M${x + (step - 3) / 2} ${FOOT - tall - 7}v5`}
                  stroke={`var(--${kind})`}
                  strokeWidth={2}
                />
              )}
            </g>
          );
        })}
        {isOutlier && (
          <text
            x={Math.min(width, left + longest * step + step / 2)}
            y={9}
            textAnchor={longest > runs.length - 4 ? "end" : longest < 3 ? "start" : "middle"}
          >
            {duration(lengths[longest] ?? 0)}
          </text>
        )}
        {usual && (
          <>
            <path d={`M0 ${usualY}H${width}`} stroke="var(--ink)" strokeDasharray="2 3" fill="none" />
            <rect x={0} y={usualY - 15} width={104} height={13} fill="var(--face)" opacity={0.86} />
            <text className="ink" x={2} y={usualY - 5}>
              usual {duration(usual.median_s)}
            </text>
          </>
        )}
        <text x={left} y={102}>
          {isToday && first ? hourMinute(new Date(first.at), clock) : label(first?.at)}
        </text>
        {runs.length > 20 && (
          <text x={left + (width - left) / 2} y={102} textAnchor="middle">
            {label(middle?.at)}
          </text>
        )}
        <text x={width} y={102} textAnchor="end">
          now
        </text>
      </svg>
    </div>
  );
}
