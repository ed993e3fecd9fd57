/** One flow run: how it stands, what failed and what waits, its graph, and everything kept of it. */

import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { runDetailsQuery, type RunDetails } from "@/data/oneRun";
import { flowRunQuery } from "@/data/runs";
import { totalOf } from "@/data/taskCounts";
import { useLiveRun } from "@/data/useLive";
import { useUrlState } from "@/data/urlState";
import { usualQuery } from "@/data/usual";
import { type Tab, Tabs } from "@/parts/choosing";
import { Title } from "@/parts/page";
import { Loaded, Skeleton } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { figure } from "@/words/numbers";
import { RunActions } from "./RunActions";
import { RunFacts } from "./RunFacts";
import { RunOrigin } from "./RunOrigin";
import { RunStrips } from "./RunStrips";
import { LogsTab } from "./LogsTab";
import "./run.css";

const RunGraph = lazy(() => import("@/graph/RunGraph"));
const TasksTab = lazy(() => import("./TasksTab"));
const SubflowsTab = lazy(() => import("./SubflowsTab"));
const ResultsTab = lazy(() => import("./ResultsTab"));
const ParametersTab = lazy(() => import("./ParametersTab"));
const WaitingTab = lazy(() => import("./WaitingTab"));
const CompareTab = lazy(() => import("./CompareTab"));
const DetailsTab = lazy(() => import("./DetailsTab"));

export default function RunPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  useLiveRun(id);
  const query = useQuery({ ...runDetailsQuery(id), placeholderData: undefined });
  return (
    <Loaded query={query} what="This run" rows={6}>
      {(run) => <Shown run={run} />}
    </Loaded>
  );
}

function Shown({ run }: { run: RunDetails }) {
  const [tab] = useUrlState("tab", "logs");
  // Which pool and queue it goes to is told by the standard route alone.
  const place = useQuery({ ...flowRunQuery(run.id), staleTime: 60_000 }).data;
  const navigate = useNavigate();
  const owner = run.deployment_id ? { deployment_ids: [run.deployment_id] } : { flow_ids: [run.flow_id] };
  const usual = useQuery(usualQuery(owner)).data ?? {};
  const tasks = totalOf(run.task_run_counts);
  const tabs: Tab[] = [
    { value: "logs", text: "Logs" },
    { value: "tasks", text: "Tasks", count: tasks > 0 ? figure(tasks) : undefined },
    { value: "subflows", text: "Sub-flows" },
    { value: "results", text: "Results and artifacts" },
    {
      value: "parameters",
      text: "Parameters",
      count: Object.keys(run.parameters).length || undefined,
    },
    { value: "waiting", text: "Waiting and decisions", count: run.states.length },
    { value: "compare", text: "Compare" },
    { value: "details", text: "Details" },
  ];
  return (
    <>
      <Title
        crumbs={[
          { text: "Runs", to: "/runs" },
          { text: run.flow_name, to: `/flows/${run.flow_id}` },
        ]}
        title={run.name}
        after={<StateBadge type={run.state_type} name={run.state_name} pill />}
        sub={<RunOrigin run={run} />}
      >
        <RunActions run={run} />
      </Title>
      <RunFacts run={run} pool={place?.work_pool_name ?? null} queue={place?.work_queue_name ?? null} />
      <RunStrips run={run} pool={place?.work_pool_name ?? null} queue={place?.work_queue_name ?? null} />
      {tasks > 0 && (
        <Suspense fallback={<div className="run-graph-place" />}>
          <RunGraph
            key={run.id}
            runId={run.id}
            usualSeconds={usual[run.deployment_id ?? run.flow_id]?.median_s}
            onOpenTask={(task) => void navigate({ to: `/task-runs/${task}` })}
          />
        </Suspense>
      )}
      <Tabs tabs={tabs} open={tab} />
      <div className="run-tab">
        <Suspense fallback={<Skeleton rows={6} />}>
          <OpenTab tab={tab} run={run} />
        </Suspense>
      </div>
    </>
  );
}

function OpenTab({ tab, run }: { tab: string; run: RunDetails }) {
  switch (tab) {
    case "tasks":
      return <TasksTab run={run} />;
    case "subflows":
      return <SubflowsTab run={run} />;
    case "results":
      return <ResultsTab run={run} />;
    case "parameters":
      return <ParametersTab run={run} />;
    case "waiting":
      return <WaitingTab run={run} />;
    case "compare":
      return <CompareTab run={run} />;
    case "details":
      return <DetailsTab run={run} />;
    default:
      return <LogsTab run={run} />;
  }
}
