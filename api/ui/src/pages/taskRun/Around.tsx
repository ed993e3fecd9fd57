/** What is around a task run: its item through the run, its siblings, where it ran, and its settings. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft, ArrowRight } from "lucide-react";
import { useMemo } from "react";
import { clusterQuery } from "@/data/cluster";
import type { Sibling, Step, Surroundings, TaskRunDetails } from "@/data/oneRun";
import { ButtonLink } from "@/parts/Button";
import { Pairs, Tags } from "@/parts/page";
import { StateGlyph } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { counted, duration, figure } from "@/words/numbers";
import { kindOf, wordOf } from "@/words/states";

type Props = { task: TaskRunDetails; around: Surroundings | undefined };

export function Around({ task, around }: Props) {
  const hasChain = around && around.before.length + around.after.length > 0;
  return (
    <aside className="tr-side" aria-label="Around this task run">
      {hasChain && <Chain task={task} around={around} />}
      {around && around.count > 1 && <Siblings task={task} around={around} />}
      <Placed task={task} />
      <SettingsOfTask task={task} />
    </aside>
  );
}

function Chain({ task, around }: { task: TaskRunDetails; around: Surroundings }) {
  return (
    <section>
      <div className="lab2">
        <span>Item {task.dynamic_key} through the run</span>
      </div>
      <ol className="chain">
        {around.before.map((step) => (
          <OneStep key={step.id} step={step} />
        ))}
        <li className="here" aria-current="step">
          <StateGlyph type={task.state_type} name={task.state_name} />
          <span className="cut b" title={task.name}>
            {task.name}
          </span>
          <span className="q sm">
            {task.run_count > 1 ? counted(task.run_count, "try", "tries") : duration(task.estimated_run_time)}
          </span>
        </li>
        {around.after.map((step) => (
          <OneStep key={step.id} step={step} />
        ))}
      </ol>
    </section>
  );
}

function OneStep({ step }: { step: Step }) {
  const side =
    step.run_count > 1
      ? counted(step.run_count, "try", "tries")
      : step.seconds === null
        ? wordOf(step.state_type, step.state_name).toLowerCase()
        : duration(step.seconds);
  return (
    <li>
      <StateGlyph type={step.state_type} name={step.state_name} />
      <span className="cut" title={step.name}>
        <Link to={`/task-runs/${step.id}`} className="b">
          {step.count > 1 ? step.task_name : step.name}
        </Link>{" "}
        {step.count > 1 && <span className="q">×{figure(step.count)}</span>}
      </span>
      <span className="q sm">{side}</span>
    </li>
  );
}

const isBad = (sibling: Sibling) => sibling[2] === "FAILED" || sibling[2] === "CRASHED";

function Siblings({ task, around }: { task: TaskRunDetails; around: Surroundings }) {
  const { siblings } = around;
  const at = siblings.findIndex((each) => each[0] === task.id);
  const before = siblings[at - 1];
  const after = siblings[at + 1];
  const nextBad = siblings.slice(at + 1).find(isBad) ?? siblings.slice(0, Math.max(0, at)).find(isBad);
  return (
    <section>
      <div className="lab2">
        <span>Among its {figure(around.count)}</span>
        {around.failed > 0 && <span>{figure(around.failed)} failed</span>}
      </div>
      <Mosaic siblings={siblings} own={task.id} failed={around.failed} />
      <div className="row sm tr-steps">
        {before && (
          <ButtonLink small to={`/task-runs/${before[0]}`} label={`The one before: ${before[1]}`}>
            <ArrowLeft className="i s" /> <span className="cut">{before[1]}</span>
          </ButtonLink>
        )}
        {after && (
          <ButtonLink small to={`/task-runs/${after[0]}`} label={`The next one: ${after[1]}`}>
            <span className="cut">{after[1]}</span> <ArrowRight className="i s" />
          </ButtonLink>
        )}
        {nextBad && (
          <span className="push">
            <ButtonLink small to={`/task-runs/${nextBad[0]}`}>
              Next that failed <ArrowRight className="i s" />
            </ButtonLink>
          </span>
        )}
      </div>
    </section>
  );
}

const MOST_CELLS = 2_400;

/** A cell a call; failures are squares of their colour, long calls are deeper. */
function Mosaic({ siblings, own, failed }: { siblings: readonly Sibling[]; own: string; failed: number }) {
  const shown = useMemo(() => {
    const at = siblings.findIndex((each) => each[0] === own);
    const from = Math.max(0, Math.min(at - MOST_CELLS / 2, siblings.length - MOST_CELLS));
    return siblings.slice(from, from + MOST_CELLS);
  }, [siblings, own]);
  const longest = useMemo(() => Math.max(0.001, ...shown.map((each) => each[4] ?? 0)), [shown]);
  return (
    <div
      className="mosaic"
      role="img"
      aria-label={`${figure(siblings.length)} calls at the same place, ${failed ? figure(failed) : "none"} failed`}
    >
      {shown.map((each) => (
        <i
          key={each[0]}
          className={`k-${kindOf(each[2], each[3])}${each[0] === own ? " own" : ""}`}
          style={{
            opacity:
              each[2] === "COMPLETED" && each[0] !== own
                ? 0.45 + 0.55 * Math.sqrt((each[4] ?? 0) / longest)
                : 1,
          }}
          title={`${each[1]}: ${wordOf(each[2], each[3])}${each[4] === null ? "" : `, ${duration(each[4])}`}`}
        />
      ))}
    </div>
  );
}

function Placed({ task }: { task: TaskRunDetails }) {
  const cluster = useQuery({ ...clusterQuery("", 60_000), enabled: Boolean(task.node), retry: false }).data;
  if (!task.node && !task.pid) return null;
  const dashboard = cluster?.is_up ? cluster.picture?.dashboard : null;
  return (
    <section>
      <div className="lab2">
        <span>Placed, last try</span>
        {dashboard ? (
          <a className="link" href={dashboard} target="_blank" rel="noopener noreferrer">
            Ray dashboard
          </a>
        ) : (
          <Link to="/cluster" className="link">
            Cluster
          </Link>
        )}
      </div>
      <Pairs
        rows={[
          ...(task.node ? [["Node", task.node] as const] : []),
          ...(task.pid
            ? [
                [
                  "Worker",
                  <span key="w" className="mono">
                    {task.pid}
                  </span>,
                ] as const,
              ]
            : []),
        ]}
      />
    </section>
  );
}

function SettingsOfTask({ task }: { task: TaskRunDetails }) {
  const policy = task.empirical_policy;
  const retries = Number(policy["retries"] ?? 0);
  const rows: (readonly [string, React.ReactNode])[] = [["Retries", retriesOf(retries, policy)]];
  for (const [name, label] of RESOURCES) {
    const value = policy[name];
    if (value !== undefined && value !== null && typeof value !== "object") rows.push([label, String(value)]);
  }
  if (task.cache_key)
    rows.push([
      "Cache key",
      <span key="c" className="mono">
        {task.cache_key}
      </span>,
    ]);
  if (task.cache_expiration) rows.push(["Cached until", <Time key="e" at={task.cache_expiration} />]);
  if (task.task_version) rows.push(["Version", task.task_version]);
  if (task.tags.length > 0) rows.push(["Tags", <Tags key="t" tags={task.tags} />]);
  rows.push([
    "Place",
    <span key="p" className="mono">
      {task.task_key}
    </span>,
  ]);
  return (
    <section>
      <div className="lab2">
        <span>Settings of the task</span>
      </div>
      <Pairs rows={rows} />
    </section>
  );
}

const RESOURCES = [
  ["timeout_seconds", "Time limit, s"],
  ["num_cpus", "CPU"],
  ["num_gpus", "GPU"],
  ["memory", "Memory"],
] as const;

function retriesOf(retries: number, policy: Record<string, unknown>): string {
  if (retries === 0) return "none";
  const delay = policy["retry_delay"];
  const jitter = policy["retry_jitter_factor"];
  const delays = Array.isArray(delay) ? delay.join(", ") : String(delay ?? 0);
  return `${retries}, delay ${delays} s${typeof jitter === "number" ? `, jitter ${jitter}` : ""}`;
}
