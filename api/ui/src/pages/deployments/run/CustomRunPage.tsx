import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { deploymentQuery, poolQuery, type Deployment, type Pool } from "@/data/deployments";
import { useNames } from "@/data/names";
import { flowRunQuery, type FlowRun } from "@/data/runs";
import { useUrlState } from "@/data/urlState";
import { Loaded } from "@/parts/places";
import "../deployments.css";
import { RunForm } from "./RunForm";

/** Waits for everything that the form starts from: what is typed is not overwritten by what arrives later. */
export default function CustomRunPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [from] = useUrlState("from");
  const deployment = useQuery({ ...deploymentQuery(id), refetchInterval: false, staleTime: Infinity });
  const pool = useQuery(poolQuery(deployment.data?.work_pool_name ?? null));
  const run = useQuery({ ...flowRunQuery(from), enabled: from !== "", staleTime: Infinity });
  const names = useNames("flows", [deployment.data?.flow_id]);
  const wanted: { error: unknown; refetch: () => unknown }[] = [deployment];
  if (deployment.data?.work_pool_name) wanted.push(pool);
  if (from) wanted.push(run);
  const failed = wanted.find((each) => each.error);
  const isReady =
    deployment.data && (pool.data || !deployment.data.work_pool_name) && (run.data || from === "");
  type Parts = { deployment: Deployment; pool: Pool | undefined; run: FlowRun | undefined };
  const data: Parts | undefined =
    isReady && deployment.data
      ? { deployment: deployment.data, pool: pool.data, run: from ? run.data : undefined }
      : undefined;
  return (
    <Loaded
      what="The deployment"
      query={{
        data,
        error: failed?.error,
        isPending: !data,
        refetch: () => wanted.forEach((each) => void each.refetch()),
      }}
    >
      {(parts) => (
        <RunForm key={`${id} ${from}`} {...parts} flowName={names.get(parts.deployment.flow_id) ?? ""} />
      )}
    </Loaded>
  );
}
