import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { deploymentQuery, type RunDetails, taskRunQuery } from "@/data/oneRun";
import { flowRunQuery } from "@/data/runs";
import { Time } from "@/parts/Time";

/** One grey line: what began the run, and when. */
export function RunOrigin({ run }: { run: RunDetails }) {
  const deployment = useQuery(deploymentQuery(run.deployment_id)).data;
  return (
    <>
      <Cause run={run} />, <Time at={run.start_time ?? run.expected_start_time ?? run.created} />
      {deployment && (
        <>
          ,{" "}
          <Link to={`/deployments/${deployment.id}`} className="link">
            {deployment.name}
          </Link>
        </>
      )}
    </>
  );
}

function Cause({ run }: { run: RunDetails }) {
  if (run.parent_task_run_id) return <Parent taskRunId={run.parent_task_run_id} />;
  if (run.auto_scheduled) return <>by schedule</>;
  const by = run.created_by;
  if (by?.type === "AUTOMATION") return <>by automation {by.display_value}</>;
  if (by?.type === "SCHEDULE") return <>by schedule</>;
  if (by?.display_value) return <>by {by.display_value}</>;
  return <>{run.deployment_id ? "by hand" : "called by hand"}</>;
}

function Parent({ taskRunId }: { taskRunId: string }) {
  const task = useQuery({ ...taskRunQuery(taskRunId), refetchInterval: false, staleTime: 60_000 }).data;
  const parentId = task?.flow_run_id ?? null;
  const parent = useQuery({ ...flowRunQuery(parentId ?? ""), enabled: parentId !== null }).data;
  if (!parent) return <>as a sub-flow</>;
  return (
    <>
      sub-flow of{" "}
      <Link to={`/runs/${parent.id}`} className="link">
        {parent.name}
      </Link>
    </>
  );
}
