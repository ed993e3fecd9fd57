/** Runs, tasks and load on one axis of time, through now into what is scheduled. */

import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { scaleUtc } from "d3-scale";
import { post } from "@/data/client";
import type { Overview } from "@/data/overview";
import { useClock } from "@/data/preferences";
import type { FlowRun } from "@/data/runs";
import { SectionHead } from "@/parts/page";
import { StateGlyph } from "@/parts/StateGlyph";
import { counted, duration, figure, short } from "@/words/numbers";
import { KIND_ORDER, type Kind, kindOf } from "@/words/states";
import { dayName, hourMinute } from "@/words/times";
import { type Load, loadQuery } from "@/data/load";

const LEFT = 62;
const RIGHT = 20;
const FORECAST = 0.22; // of the axis lies to the right of now
const RUNS = { top: 22, height: 84 };
const TASKS = { top: 128, height: 32 };
const CPU = { top: 178, height: 32 };

const LEGEND: readonly (readonly [string, string])[] = [
  ["COMPLETED", "Completed"],
  ["RUNNING", "Running"],
  ["FAILED", "Failed"],
  ["CRASHED", "Crashed"],
  ["SCHEDULED", "Scheduled"],
];

export function RunsAndLoad({ overview, hours }: { overview: Overview; hours: number }) {
  const { ref, width } = useElementSize();
  const now = Date.parse(overview.now);
  const ahead = (hours * 3_600_000 * FORECAST) / (1 - FORECAST);
  const upcoming = useQuery({
    queryKey: ["upcoming", "axis", hours],
    queryFn: ({ signal }) =>
      post<FlowRun[]>(
        "/flow_runs/filter",
        {
          flow_runs: {
            state: { name: { any_: ["Scheduled"] } },
            next_scheduled_start_time: { before_: new Date(now + ahead).toISOString() },
          },
          sort: "NEXT_SCHEDULED_START_TIME_ASC",
          limit: 200,
        },
        { signal },
      ),
    refetchInterval: 30_000,
  });
  const load = useQuery(loadQuery(overview.since)).data;
  const hasLoad = load !== undefined && load.length > 1;
  const height = (hasLoad ? CPU.top + CPU.height : TASKS.top + TASKS.height) + 26;
  return (
    <section aria-label="Runs and load">
      <SectionHead title="Runs and load">
        {LEGEND.map(([type, word]) => (
          <span key={type} className="legend-item">
            <StateGlyph type={type} name={word} label={false} /> {word.toLowerCase()}
          </span>
        ))}
      </SectionHead>
      {/* Narrow screens scroll it: with the keys, too. */}
      <div className="chartbox" ref={ref} style={{ height }} tabIndex={0} role="group" aria-label="Over time">
        {width > 0 && (
          <Chart
            overview={overview}
            now={now}
            ahead={ahead}
            width={width}
            height={height}
            upcoming={upcoming.data ?? []}
            load={hasLoad ? load : null}
          />
        )}
      </div>
    </section>
  );
}

type ChartProps = {
  overview: Overview;
  now: number;
  ahead: number;
  width: number;
  height: number;
  upcoming: FlowRun[];
  load: Load[] | null;
};

function Chart({ overview, now, ahead, width, height, upcoming, load }: ChartProps) {
  const clock = useClock();
  const since = Date.parse(overview.since);
  const x = scaleUtc([since, now + ahead], [LEFT, width - RIGHT]);
  const bottom = height - 26;
  const atNow = x(now);
  const tasks = overview.bins.map((bin) => bin.tasks / overview.step_s);
  const times = overview.bins.map((_, at) => since + (at + 0.5) * overview.step_s * 1000);
  const days = now - since > 36 * 3_600_000;
  const begun = overview.bins.reduce(
    (sum, bin) => sum + Object.values(bin.runs).reduce((a, b) => a + b, 0),
    0,
  );
  const label = `${counted(begun, "run")} began since ${hourMinute(new Date(since), clock)}; ${counted(upcoming.length, "run")} scheduled next`;
  return (
    <svg className="timechart" width={width} height={height} role="img" aria-label={label}>
      <rect
        x={atNow}
        y={RUNS.top}
        width={Math.max(0, width - RIGHT - atNow)}
        height={bottom - RUNS.top}
        fill="var(--paper)"
      />
      {x.ticks(Math.max(3, Math.round(width / 140))).map((tick) => (
        <g key={tick.getTime()}>
          <line className="s-line" x1={x(tick)} x2={x(tick)} y1={RUNS.top} y2={bottom} />
          <text x={x(tick)} y={bottom + 17} textAnchor="middle">
            {days ? dayName(tick, clock) : hourMinute(tick, clock)}
          </text>
        </g>
      ))}
      <text className="ink b" x="0" y={RUNS.top + 12}>
        Runs
      </text>
      <text x="0" y={RUNS.top + 27}>
        by length
      </text>
      <Bars overview={overview} x={x} since={since} />
      {upcoming.map((run) => (
        <Coming key={run.id} run={run} x={x} now={now} longest={longestOf(overview)} />
      ))}
      <line
        className="s-line2"
        x1={LEFT}
        x2={width - RIGHT}
        y1={RUNS.top + RUNS.height}
        y2={RUNS.top + RUNS.height}
      />
      <Series
        name="Tasks/s"
        top={TASKS.top}
        height={TASKS.height}
        times={times}
        values={tasks}
        x={x}
        shown={short(lastOf(tasks))}
      />
      {load && (
        <Series
          name="CPU"
          top={CPU.top}
          height={CPU.height}
          times={load.map((each) => Date.parse(each.at))}
          values={load.map((each) => each.cpu_used)}
          most={Math.max(...load.map((each) => each.cpu_total), 1)}
          x={x}
          shown={`${figure(Math.round((100 * (load.at(-1)?.cpu_used ?? 0)) / Math.max(1, load.at(-1)?.cpu_total ?? 1)))} %`}
        />
      )}
      <line className="s-sun" x1={atNow} x2={atNow} y1={RUNS.top - 6} y2={bottom} strokeWidth="2" />
      <circle className="f-sun" cx={atNow} cy={RUNS.top - 8} r="4" />
      <text className="ink b" x={atNow + 9} y={RUNS.top - 4}>
        now
        <tspan className="quiet" dx="5">
          {upcoming.length > 0
            ? `${counted(upcoming.length, "more")} by ${hourMinute(new Date(now + ahead), clock)}`.replace(
                "mores",
                "more",
              )
            : ""}
        </tspan>
      </text>
    </svg>
  );
}

const lastOf = (values: number[]) => values.at(-2) ?? values.at(-1) ?? 0;
const longestOf = (overview: Overview) => Math.max(...overview.bins.map((bin) => bin.longest_s), 1);

type Scale = (at: number | Date) => number;

function Bars({ overview, x, since }: { overview: Overview; x: Scale; since: number }) {
  const longest = longestOf(overview);
  const step = x(since + overview.step_s * 1000) - x(since);
  const wide = Math.max(1.5, Math.min(step - 1, 6));
  return overview.bins.map((bin, at) => {
    const kinds = Object.entries(bin.runs).map(([type, count]) => [kindOf(type), count] as const);
    if (kinds.length === 0) return null;
    const whole = kinds.reduce((sum, [, count]) => sum + count, 0);
    const tall = Math.max(4, RUNS.height * Math.sqrt(bin.longest_s / longest));
    const left = x(since + at * overview.step_s * 1000);
    const sorted = [...kinds].sort((a, b) => KIND_ORDER.indexOf(b[0]) - KIND_ORDER.indexOf(a[0]));
    const text = `${sorted.map(([kind, count]) => `${figure(count)} ${kind}`).join(", ")}; longest ${duration(bin.longest_s)}`;
    return (
      <g key={at}>
        <title>{text}</title>
        {stacked(sorted, tall, whole).map(({ kind, top, size }) => (
          <rect
            key={kind}
            className={`f-${kind}`}
            x={left}
            width={wide}
            y={RUNS.top + RUNS.height - top - size}
            height={size}
          />
        ))}
        {sorted.some(([kind]) => kind === "failed" || kind === "crashed") && (
          <rect
            className={sorted.some(([kind]) => kind === "crashed") ? "f-crashed" : "f-failed"}
            x={left}
            width={wide}
            y={RUNS.top + RUNS.height - tall - 7}
            height="3"
          />
        )}
      </g>
    );
  });
}

function stacked(kinds: (readonly [Kind, number])[], tall: number, whole: number) {
  let top = 0;
  return kinds.map(([kind, count]) => {
    const size = (tall * count) / whole;
    const part = { kind, top, size };
    top += size;
    return part;
  });
}

function Coming({ run, x, now, longest }: { run: FlowRun; x: Scale; now: number; longest: number }) {
  const at = Date.parse(run.expected_start_time ?? "");
  if (!(at >= now)) return null;
  const tall = Math.max(
    8,
    RUNS.height * Math.sqrt(Math.min(1, (run.estimated_run_time || longest / 4) / longest)),
  );
  return (
    <rect className="f-scheduled" x={x(at)} width="4" y={RUNS.top + RUNS.height - tall} height={tall} rx="1">
      <title>{run.name}</title>
    </rect>
  );
}

type SeriesProps = {
  name: string;
  shown: string;
  top: number;
  height: number;
  times: number[];
  values: number[];
  most?: number;
  x: Scale;
};

function Series({
  name,
  shown,
  top,
  height,
  times,
  values,
  most = Math.max(...values, 1e-9),
  x,
}: SeriesProps) {
  const y = (value: number) => top + height - (value / most) * height;
  const line = values
    .map((value, at) => `${at ? "L" : "M"}${x(times[at] ?? 0).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  const first = x(times[0] ?? 0);
  const last = x(times.at(-1) ?? 0);
  return (
    <>
      <text className="ink b" x="0" y={top + 14}>
        {name}
      </text>
      <text x="0" y={top + 28}>
        {shown}
      </text>
      {values.length > 1 && (
        <>
          <path className="f-soft" d={`${line}L${last} ${top + height}L${first} ${top + height}Z`} />
          <path className="s-ink2" d={line} />
        </>
      )}
      <line className="s-line2" x1={LEFT} x2={last} y1={top + height} y2={top + height} />
    </>
  );
}
