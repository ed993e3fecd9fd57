/** The columns of the two lists of runs. */

import { Link } from "@tanstack/react-router";
import { useNow } from "@/data/now";
import type { RunRow } from "@/data/runList";
import { byKind, endedOf, totalOf } from "@/data/taskCounts";
import { UsualBar } from "@/parts/charts";
import type { Column } from "@/parts/DataTable";
import { Tags } from "@/parts/page";
import { SegmentedBar } from "@/parts/SegmentedBar";
import { StateBadge } from "@/parts/StateGlyph";
import { Time, Took } from "@/parts/Time";
import { age, count, figure } from "@/words/numbers";
import { isFinal } from "@/words/states";

export type RunColumn = Column<RunRow> & { title: string; optional?: boolean; atFirst?: boolean };

const state: RunColumn = {
  key: "state",
  title: "State",
  head: "State",
  width: "108px",
  cell: (run) => <StateBadge type={run.state_type} name={run.state_name} />,
};
const tags: RunColumn = {
  key: "tags",
  title: "Tags",
  head: "Tags",
  width: "minmax(80px, 116px)",
  narrow: "hide",
  optional: true,
  atFirst: true,
  cell: (run) => <Tags tags={run.tags} />,
};
const tries: RunColumn = {
  key: "tries",
  title: "Tries",
  head: "Tries",
  width: "60px",
  right: true,
  narrow: "hide",
  optional: true,
  cell: (run) => count(run.run_count),
};
const began: RunColumn = {
  key: "started",
  title: "Started",
  head: "Started",
  width: "102px",
  right: true,
  narrow: "below",
  sorts: { down: "STARTED_DESC", up: "STARTED_ASC" },
  cell: (run) => <Began run={run} />,
};
const took: RunColumn = {
  key: "took",
  title: "Took",
  head: "Took",
  width: "84px",
  right: true,
  narrow: "below",
  cell: (run) => <Length run={run} />,
};

export const FLOW_COLUMNS: readonly RunColumn[] = [
  state,
  {
    key: "name",
    title: "Run",
    head: "Run",
    width: "minmax(170px, 1.5fr)",
    sorts: { down: "NAME_DESC", up: "NAME_ASC" },
    cell: (run) => (
      <span title={run.reason ? `${run.name}: ${run.reason}` : run.name}>
        <Link to={`/runs/${run.id}`} className="name">
          {run.name}
        </Link>
        {run.reason && <span className="q"> {run.reason}</span>}
      </span>
    ),
  },
  {
    key: "flow",
    title: "Flow and deployment",
    head: "Flow / deployment",
    width: "minmax(130px, 1.1fr)",
    narrow: "below",
    optional: true,
    atFirst: true,
    cell: (run) => (
      <span title={`${run.flow_name ?? ""}${run.deployment_name ? ` / ${run.deployment_name}` : ""}`}>
        {run.flow_name}
        {run.deployment_name && <span className="q"> / {run.deployment_name}</span>}
      </span>
    ),
  },
  {
    key: "tasks",
    title: "Tasks",
    head: "Tasks",
    width: "96px",
    narrow: "hide",
    optional: true,
    atFirst: true,
    cell: (run) =>
      totalOf(run.tasks ?? {}) > 0 ? <SegmentedBar counts={byKind(run.tasks ?? {})} width={80} /> : null,
  },
  {
    key: "ended",
    title: "Number of tasks",
    head: <span className="sr">Number of tasks</span>,
    width: "108px",
    right: true,
    narrow: "hide",
    optional: true,
    atFirst: true,
    cell: (run) => <TaskFigure run={run} />,
  },
  began,
  took,
  {
    key: "usual",
    title: "Usual length",
    head: "Usual",
    width: "80px",
    narrow: "hide",
    optional: true,
    atFirst: true,
    cell: (run) => <Usually run={run} />,
  },
  {
    key: "pool",
    title: "Pool and queue",
    head: "Pool",
    width: "minmax(70px, 96px)",
    narrow: "hide",
    optional: true,
    atFirst: true,
    cell: (run) => <span className="q">{placeOf(run)}</span>,
  },
  tags,
  tries,
  {
    key: "by",
    title: "Made by",
    head: "Made by",
    width: "minmax(90px, 130px)",
    narrow: "hide",
    optional: true,
    cell: (run) => (
      <span className="q">{run.created_by?.display_value ?? (run.auto_scheduled ? "schedule" : "")}</span>
    ),
  },
];

export const TASK_COLUMNS: readonly RunColumn[] = [
  state,
  {
    key: "name",
    title: "Task run",
    head: "Task run",
    width: "minmax(170px, 1.5fr)",
    cell: (run) => (
      <span title={run.reason ? `${run.name}: ${run.reason}` : run.name}>
        <Link to={`/task-runs/${run.id}`} className="name">
          {run.name}
        </Link>
        {run.reason && <span className="q"> {run.reason}</span>}
      </span>
    ),
  },
  {
    key: "flow",
    title: "Flow and run",
    head: "Flow / run",
    width: "minmax(140px, 1fr)",
    narrow: "below",
    optional: true,
    atFirst: true,
    cell: (run) =>
      run.flow_run_name ? (
        <span title={`${run.flow_name ?? ""} / ${run.flow_run_name}`}>
          {run.flow_name} <span className="q">/ </span>
          <Link to={`/runs/${run.flow_run_id ?? ""}`}>{run.flow_run_name}</Link>
        </span>
      ) : (
        <span className="q">no flow run</span>
      ),
  },
  began,
  took,
  tries,
  {
    key: "node",
    title: "Node",
    head: "Node",
    width: "minmax(70px, 120px)",
    narrow: "hide",
    optional: true,
    cell: (run) => <span className="q">{run.node}</span>,
  },
  tags,
];

function placeOf(run: RunRow): string {
  if (!run.work_pool_name) return "";
  return run.work_queue_name && run.work_queue_name !== "default"
    ? `${run.work_pool_name}, ${run.work_queue_name}`
    : run.work_pool_name;
}

function TaskFigure({ run }: { run: RunRow }) {
  const all = totalOf(run.tasks ?? {});
  if (all === 0) return <span className="q">none</span>;
  const ended = endedOf(run.tasks ?? {});
  if (isFinal(run.state_type) || ended === all) return <>{figure(all)}</>;
  return (
    <>
      {figure(ended)} <span className="q">of {figure(all)}</span>
    </>
  );
}

function Began({ run }: { run: RunRow }) {
  if (run.start_time) return <Time at={run.start_time} />;
  if (isFinal(run.state_type)) return <Time at={run.expected_start_time} />;
  return (
    <>
      <span className="q">due </span>
      <Time at={run.expected_start_time} />
    </>
  );
}

function Length({ run }: { run: RunRow }) {
  if (run.start_time) return <Took start={run.start_time} end={run.end_time} />;
  if (isFinal(run.state_type) || !run.expected_start_time) return null;
  return <Lateness due={run.expected_start_time} />;
}

function Lateness({ due }: { due: string }) {
  const late = (useNow() - Date.parse(due)) / 1000;
  return late > 15 ? <span>{age(late)} late</span> : null;
}

function Usually({ run }: { run: RunRow }) {
  if (!run.usual || !run.start_time) return null;
  return run.end_time ? (
    <UsualBar
      seconds={(Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000}
      median={run.usual.median_s}
      p95={run.usual.p95_s}
    />
  ) : (
    <UsualSoFar start={run.start_time} median={run.usual.median_s} p95={run.usual.p95_s} />
  );
}

function UsualSoFar({ start, median, p95 }: { start: string; median: number; p95: number }) {
  return <UsualBar seconds={Math.max(0, (useNow() - Date.parse(start)) / 1000)} median={median} p95={p95} />;
}
