import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useNow } from "@/data/now";
import type { RunDetails } from "@/data/oneRun";
import { byKind, endedOf, totalOf } from "@/data/taskCounts";
import { usualQuery } from "@/data/usual";
import { Sparkline } from "@/parts/charts";
import { Fact, Facts } from "@/parts/page";
import { SegmentedBar } from "@/parts/SegmentedBar";
import { Ago } from "@/parts/Time";
import { duration, figure, percent, short } from "@/words/numbers";
import { isFinal } from "@/words/states";

type Props = { run: RunDetails; pool: string | null; queue: string | null };

export function RunFacts({ run, pool, queue }: Props) {
  const total = totalOf(run.task_run_counts);
  const ended = endedOf(run.task_run_counts);
  const code = run.deployment_version ?? run.code_revision ?? run.flow_version;
  const retries = Number(run.empirical_policy.retries ?? 0);
  return (
    <Facts>
      <Fact
        grow
        name={
          <span className="row">
            <span>
              {total === 0
                ? "No task runs"
                : ended === total
                  ? `${figure(total)} ${total === 1 ? "task" : "tasks"}`
                  : `${figure(ended)} of ${figure(total)} tasks`}
            </span>
            {total > 0 && <span className="push">{percent(ended, total)}</span>}
          </span>
        }
      >
        <div className="fact-bar">
          <SegmentedBar counts={byKind(run.task_run_counts)} big />
        </div>
      </Fact>
      <Lengths run={run} />
      <Rate run={run} ended={ended} />
      <Fact name="Try">
        {Math.max(1, run.run_count)}
        {retries > 0 && <span className="q"> of {retries + 1}</span>}
      </Fact>
      {pool && (
        <Fact name="Pool">
          <Link to={`/work-pools/${encodeURIComponent(pool)}`}>{pool}</Link>{" "}
          {queue && queue !== "default" && <span className="q">{queue}</span>}
        </Fact>
      )}
      <Where run={run} />
      {code && (
        <Fact name="Code">
          <span className="mono" title={code}>
            {code.slice(0, 10)}
          </span>
        </Fact>
      )}
    </Facts>
  );
}

function Lengths({ run }: { run: RunDetails }) {
  const owners = run.deployment_id ? { deployment_ids: [run.deployment_id] } : { flow_ids: [run.flow_id] };
  const usual = useQuery(usualQuery(owners)).data?.[run.deployment_id ?? run.flow_id];
  const now = useNow();
  if (!run.start_time) {
    const due = run.expected_start_time;
    return due ? (
      <Fact name={Date.parse(due) > now ? "Starts" : "Was due"}>
        <Ago at={due} />
      </Fact>
    ) : null;
  }
  const ended = isFinal(run.state_type);
  const until = ended && run.end_time ? Date.parse(run.end_time) : now;
  const seconds = Math.max(0, (until - Date.parse(run.start_time)) / 1000);
  const left = usual ? usual.median_s - seconds : null;
  return (
    <>
      <Fact name={ended ? "Took" : "Running for"}>
        <span className="b">{duration(seconds)}</span>
        {ended && usual && <span className="q"> usual {duration(usual.median_s)}</span>}
      </Fact>
      {!ended && usual && left !== null && (
        <Fact name={left >= 0 ? "Left" : "Over"}>
          {left >= 0 ? (
            `~${duration(left)}`
          ) : (
            <span className={seconds > usual.p95_s ? "t-late" : undefined}>{duration(-left)}</span>
          )}{" "}
          <span className="q">usual {duration(usual.median_s)}</span>
        </Fact>
      )}
    </>
  );
}

const KEPT = 30;

/** Tasks that ended a second: as it was seen since the page was opened, or over the whole run. */
function Rate({ run, ended }: { run: RunDetails; ended: number }) {
  const [seen, setSeen] = useState<readonly { at: number; ended: number }[]>([]);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSeen((before) => [...before.slice(1 - KEPT), { at: Date.now(), ended }]);
    }, 0);
    return () => clearTimeout(timer);
  }, [ended, run]);
  if (ended === 0 || !run.start_time) return null;
  if (isFinal(run.state_type)) {
    const took = (Date.parse(run.end_time ?? run.start_time) - Date.parse(run.start_time)) / 1000;
    return took > 0 ? <Fact name="Tasks/s">{short(ended / took)}</Fact> : null;
  }
  const rates = seen.slice(1).map((each, at) => {
    const before = seen[at];
    const span = before ? (each.at - before.at) / 1000 : 0;
    return before && span > 0 ? Math.max(0, (each.ended - before.ended) / span) : 0;
  });
  const first = seen[Math.max(0, seen.length - 6)];
  const last = seen[seen.length - 1];
  const span = first && last ? (last.at - first.at) / 1000 : 0;
  if (!first || !last || span <= 0) return null;
  return (
    <Fact name="Tasks/s">
      <span className="row">
        {short((last.ended - first.ended) / span)}
        <Sparkline values={rates} width={52} height={16} label="Tasks ended a second, lately" />
      </span>
    </Fact>
  );
}

function Where({ run }: { run: RunDetails }) {
  const { executor } = run;
  if (!executor) return run.infrastructure_pid ? <Fact name="Process">{run.infrastructure_pid}</Fact> : null;
  const silent = executor.alive === false || executor.alive === null;
  return (
    <Fact name="Executor">
      <span title={run.executor_note ?? undefined}>
        {executor.host} <span className={silent ? "t-late" : "q"}>pid {executor.pid}</span>
      </span>
    </Fact>
  );
}
