/** One task run: why it failed, its tries, its logs, and what is around it in the run. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useRef } from "react";
import {
  failuresQuery,
  runDetailsQuery,
  surroundingsQuery,
  type TaskRunDetails,
  taskRunQuery,
} from "@/data/oneRun";
import { loggedTracebackQuery } from "@/data/logs";
import { useTopic } from "@/data/useLive";
import { useUrlState } from "@/data/urlState";
import { ButtonLink } from "@/parts/Button";
import { type Tab, Tabs } from "@/parts/choosing";
import { TracebackView } from "@/parts/logs/TracebackView";
import { SectionHead, Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateBadge, StateGlyph } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { counted, duration, figure } from "@/words/numbers";
import { isFinal } from "@/words/states";
import { secondsBetween } from "@/words/times";
import { ResultPreview } from "@/pages/run/ResultPreview";
import { States } from "@/pages/run/WaitingTab";
import { Around } from "./Around";
import { Inputs } from "./Inputs";
import { TaskActions } from "./TaskActions";
import { TaskArtifacts } from "./TaskArtifacts";
import { TaskLogs } from "./TaskLogs";
import { Tries } from "./Tries";
import { causeOf, triesOf } from "./tries";
import "./taskRun.css";

export default function TaskRunPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const query = useQuery({ ...taskRunQuery(id), placeholderData: undefined });
  return (
    <Loaded query={query} what="This task run" rows={6}>
      {(task) => <Shown task={task} />}
    </Loaded>
  );
}

const REST_MS = 1_000;

/** Asked for again when the run's tasks changed, as long as this one has not ended. */
function useNews(task: TaskRunDetails): void {
  const queries = useQueryClient();
  const last = useRef(0);
  const going = !isFinal(task.state_type) && task.flow_run_id !== null;
  useTopic(going ? `task_runs:${task.flow_run_id ?? ""}` : null, () => {
    const now = Date.now();
    if (now - last.current < REST_MS) return;
    last.current = now;
    void queries.invalidateQueries({ queryKey: ["task_run", task.id] });
  });
}

function Shown({ task }: { task: TaskRunDetails }) {
  useNews(task);
  const [tab] = useUrlState("tab", "error");
  const going = !isFinal(task.state_type);
  const runQuery = useQuery({
    ...runDetailsQuery(task.flow_run_id ?? ""),
    enabled: task.flow_run_id !== null,
  });
  const run = task.flow_run_id ? runQuery.data : undefined;
  const around = useQuery(surroundingsQuery(task.id, going)).data;
  const tries = triesOf(task.states, Number(task.empirical_policy["retries"] ?? 0));
  const inputs = Object.keys(task.task_inputs).length;
  const hasError =
    Boolean(task.error?.traceback) || task.state_type === "FAILED" || task.state_type === "CRASHED";
  const tabs: Tab[] = [
    ...(hasError ? [{ value: "error", text: "Error" }] : []),
    { value: "result", text: "Result" },
    { value: "inputs", text: "Inputs", count: inputs || undefined },
    { value: "states", text: "States and decisions", count: task.states.length },
    { value: "artifacts", text: "Artifacts" },
  ];
  const open = tabs.some((each) => each.value === tab) ? tab : (tabs[0]?.value ?? "result");
  return (
    <>
      <Title
        crumbs={[{ text: "Runs", to: "/runs" }, ...(run ? [{ text: run.name, to: `/runs/${run.id}` }] : [])]}
        title={task.name}
        after={<StateBadge type={task.state_type} name={task.state_name} pill />}
        sub={<Sub task={task} tries={tries.length} />}
      >
        <TaskActions task={task} run={run} />
      </Title>
      {hasError && <ErrorLine task={task} />}
      <div className="cols tr-cols grow0">
        <div className="tr-main">
          {tries.length > 0 && <Tries tries={tries} task={task} />}
          <Tabs tabs={tabs} open={open} />
          {open === "error" && <ErrorText task={task} />}
          {open === "result" && (
            <div className="tr-part">
              <ResultPreview kind="task_runs" id={task.id} stateId={task.state?.id} going={going} />
            </div>
          )}
          {open === "inputs" && <Inputs task={task} around={around} />}
          {open === "states" && (
            <States
              states={task.states}
              decisions={(run?.decisions ?? []).filter((each) => each.task_run_id === task.id)}
            />
          )}
          {open === "artifacts" && <TaskArtifacts id={task.id} going={going} />}
          <SectionHead title={tries.length > 1 ? "Logs of all tries" : "Logs"} />
          <TaskLogs task={task} tries={tries} />
        </div>
        <Around task={task} around={around} />
      </div>
    </>
  );
}

function Sub({ task, tries }: { task: TaskRunDetails; tries: number }) {
  if (!task.start_time) return <>not begun</>;
  const whole = task.end_time
    ? secondsBetween(task.states[0]?.timestamp ?? task.start_time, task.end_time)
    : null;
  return (
    <>
      {tries > 1 ? `${counted(tries, "try", "tries")} in ` : ""}
      {whole === null ? duration(task.estimated_run_time) : duration(tries > 1 ? whole : task.total_run_time)}
      {task.end_time && (
        <>
          , ended <Time at={task.end_time} />
        </>
      )}
    </>
  );
}

function ErrorLine({ task }: { task: TaskRunDetails }) {
  const kinds = useQuery(failuresQuery(task.flow_run_id ?? "", task.flow_run_id ? 1 : 0)).data;
  const kind = kinds?.find((each) => each.ids.includes(task.id));
  const others = (kind?.names ?? []).filter((name) => name !== task.name);
  const crashed = task.state_type === "CRASHED";
  const cause =
    kind?.cause ??
    (task.error?.type
      ? `${task.error.type}: ${task.error.message ?? ""}`
      : (causeOf(task.state?.message) ?? "It failed"));
  return (
    <div className={`strip t-l k-${crashed ? "crashed" : "failed"}`}>
      <StateGlyph type={task.state_type} name={task.state_name} />
      <span className="grow cut" title={cause}>
        <b className="b">{cause}</b>{" "}
        {kind && (
          <span className="m">
            {kind.count > 1
              ? `The same at ${others.slice(0, 3).join(", ")}${kind.count > 4 ? ` and ${figure(kind.count - 4)} more` : ""}.`
              : "No other task run of this run failed like this."}
          </span>
        )}
      </span>
      {kind && kind.count > 1 && task.flow_run_id && (
        <ButtonLink
          small
          to={`/runs/${task.flow_run_id}`}
          search={{ tab: "tasks", state: "failed", q: kind.task_name }}
        >
          Show all {figure(kind.count)}
        </ButtonLink>
      )}
    </div>
  );
}

function ErrorText({ task }: { task: TaskRunDetails }) {
  // Clients of the standard API tell the traceback in their log alone.
  const logged = useQuery({
    ...loggedTracebackQuery(task.id),
    enabled: !task.error?.traceback,
  });
  const text = task.error?.traceback || logged.data || causeOf(task.state?.message);
  if (!text) return <p className="note tr-part">Nothing was kept of its error.</p>;
  return (
    <div className="tr-part">
      <TracebackView text={text} />
    </div>
  );
}
