import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { post } from "@/data/client";
import { deleteDeployment, type Deployment } from "@/data/deployments";
import { act } from "@/parts/acting";
import { ConfirmDestroy } from "@/parts/overlays";
import { counted } from "@/words/numbers";

export function DeleteDeployment({
  open,
  deployment,
  fullName,
  onClose,
}: {
  open: boolean;
  deployment: Deployment;
  fullName: string;
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const waiting = useQuery({
    queryKey: ["flow_runs", "waiting of", deployment.id],
    queryFn: () =>
      post<number>("/flow_runs/count", {
        deployments: { id: { any_: [deployment.id] } },
        flow_runs: { state: { type: { any_: ["SCHEDULED"] } } },
      }),
    enabled: open,
  }).data;
  return (
    <ConfirmDestroy
      open={open}
      title={`Delete deployment ${deployment.name}?`}
      verb={`Delete ${deployment.name}`}
      losses={[
        deployment.schedules.length > 0
          ? `${counted(deployment.schedules.length, "schedule")} of it`
          : "its settings; it has no schedules",
        waiting === undefined
          ? "runs that were made ahead or wait"
          : waiting === 0
            ? "no run waits"
            : `${counted(waiting, "run")} that ${waiting === 1 ? "was" : "were"} made ahead or ${waiting === 1 ? "waits" : "wait"}`,
        "Its past runs, their logs and results stay; the flow stays.",
      ]}
      command={`heliostat deployment delete '${fullName}' --dry-run`}
      onClose={onClose}
      act={async () => {
        // Its page goes first: it would ask for what is gone.
        await navigate({ to: "/deployments" });
        await act("Not deleted", () => deleteDeployment(deployment.id), {
          done: `${deployment.name} is deleted`,
        });
        void queries.invalidateQueries({ queryKey: ["deployments"] });
      }}
    />
  );
}
