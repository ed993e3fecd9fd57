/** The runs that are under way, and the pools as slots. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { post } from "@/data/client";
import { useNames } from "@/data/names";
import { useNow } from "@/data/now";
import type { Pool } from "@/data/overview";
import type { FlowRun } from "@/data/runs";
import { byKind, endedOf, type TaskCounts, taskCountsQuery, totalOf } from "@/data/taskCounts";
import { type Usuals, usualQuery } from "@/data/usual";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { SegmentedBar } from "@/parts/SegmentedBar";
import { StateGlyph } from "@/parts/StateGlyph";
import { Took } from "@/parts/Time";
import { counted, duration, figure } from "@/words/numbers";

const SHOWN = 10;
const FILTER = {
  flow_runs: { state: { type: { any_: ["RUNNING", "CANCELLING"] } }, parent_flow_run_id: null },
  sort: "START_TIME_DESC",
  limit: SHOWN,
};

export function Running({ count }: { count: number }) {
  const query = useQuery({
    queryKey: ["flow_runs", "running"],
    queryFn: ({ signal }) => post<FlowRun[]>("/flow_runs/filter", FILTER, { signal }),
    refetchInterval: 5_000,
  });
  const runs = query.data ?? [];
  const flows = useNames(
    "flows",
    runs.map((run) => run.flow_id),
  );
  const tasks = useQuery({
    ...taskCountsQuery(runs.map((run) => run.id)),
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  }).data;
  const usual = useQuery({
    ...usualQuery({
      deployment_ids: [...new Set(runs.flatMap((run) => run.deployment_id ?? []))],
      flow_ids: [...new Set(runs.flatMap((run) => (run.deployment_id ? [] : run.flow_id)))],
    }),
    placeholderData: keepPreviousData,
  }).data;
  const now = useNow();
  return (
    <section aria-label="Running">
      <SectionHead title="Running" count={count || "nothing"}>
        <Link to="/runs" className="link">
          All runs
        </Link>
      </SectionHead>
      <Loaded query={query} what="What is running" rows={3}>
        {() =>
          runs.length === 0 ? (
            <p className="need-none">No run is under way.</p>
          ) : (
            runs.map((run) => (
              <Link key={run.id} className="going" to={`/runs/${run.id}`}>
                <StateGlyph type={run.state_type} name={run.state_name} />
                <span className="cut">
                  <b className="b">{run.name}</b> <span className="q">{flows.get(run.flow_id)}</span>
                </span>
                <Progress counts={tasks?.[run.id]} />
                <span className="r">
                  <Took start={run.start_time} end={run.end_time} />
                </span>
                <Left run={run} usual={usual} now={now} />
                <span className="m cut">
                  {[run.work_pool_name, run.work_queue_name].filter(Boolean).join(", ")}
                </span>
              </Link>
            ))
          )
        }
      </Loaded>
    </section>
  );
}

/** What is left, if it takes as long as such runs usually do. */
function Left({ run, usual, now }: { run: FlowRun; usual: Usuals | undefined; now: number }) {
  const length = usual?.[run.deployment_id ?? run.flow_id];
  if (length === undefined || !run.start_time) return <span className="going-left" />;
  const seconds = (now - Date.parse(run.start_time)) / 1000;
  const left = length.median_s - seconds;
  return (
    <span
      className={seconds > length.p95_s ? "r t-late going-left" : "r q going-left"}
      title={`such runs usually take ${duration(length.median_s)}, and 95 of 100 at most ${duration(length.p95_s)}`}
    >
      {left > 0 ? `~${duration(left)} left` : `${duration(-left)} over`}
    </span>
  );
}

/** How far the task runs are that there are so far. */
function Progress({ counts = {} }: { counts?: TaskCounts }) {
  const total = totalOf(counts);
  if (total === 0) return <span className="going-tasks" />;
  return (
    <span className="going-tasks">
      <SegmentedBar counts={byKind(counts)} />
      <span className="q r">
        {figure(endedOf(counts))} of {figure(total)}
      </span>
    </span>
  );
}

const CELLS = 12;

export function Pools({ pools }: { pools: Pool[] }) {
  return (
    <section aria-label="Work pools">
      <SectionHead title="Work pools" count={pools.length || "none"} />
      {pools.map((pool) => (
        <Link key={pool.name} className="pool" to={`/work-pools/${encodeURIComponent(pool.name)}`}>
          <span className={`dot ${toneOf(pool)}`} />
          <span className="cut">
            <b className="b">{pool.name}</b> <span className="q">{noteOf(pool)}</span>
          </span>
          <Slots pool={pool} />
          <span className={pool.late ? "r t-late" : "r"}>
            {pool.late
              ? `${pool.late} late`
              : pool.is_paused
                ? "paused"
                : pool.taken === 0
                  ? "idle"
                  : counted(pool.taken, "run")}
          </span>
        </Link>
      ))}
    </section>
  );
}

function toneOf(pool: Pool): string {
  if (pool.is_paused) return "hollow k-scheduled";
  return pool.status === "NOT_READY" ? "hollow k-late" : "k-completed";
}

function noteOf(pool: Pool): string {
  if (pool.status === "NOT_READY" && !pool.is_paused) return "no worker";
  return pool.type;
}

function Slots({ pool }: { pool: Pool }) {
  const places = Math.min(CELLS, pool.limit ?? Math.max(pool.taken, 4));
  const taken = pool.limit ? Math.ceil((pool.taken * places) / pool.limit) : Math.min(pool.taken, places);
  const label =
    pool.limit === null ? `${counted(pool.taken, "run")}, no limit` : `${pool.taken} of ${pool.limit} slots`;
  return (
    <span className="slots" role="img" aria-label={label} title={label}>
      {Array.from({ length: places }, (_, at) => (
        <i
          key={at}
          className={at < taken ? "on" : pool.is_paused || pool.status === "NOT_READY" ? "off" : ""}
        />
      ))}
    </span>
  );
}
