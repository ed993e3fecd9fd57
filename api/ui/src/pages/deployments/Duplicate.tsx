import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { post } from "@/data/client";
import { createDeployment, type Deployment, ownLimit, sharedLimit } from "@/data/deployments";
import { said } from "@/data/failures";
import { Button } from "@/parts/Button";
import { Box } from "@/parts/choosing";
import { TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";

const COPIED = [
  "version",
  "description",
  "tags",
  "parameters",
  "parameter_openapi_schema",
  "enforce_parameter_schema",
  "entrypoint",
  "path",
  "pull_steps",
  "work_pool_name",
  "work_queue_name",
  "job_variables",
  "concurrency_options",
  "flow_id",
] as const;

/** The same deployment under another name. Its schedules are at rest at first, so that nothing runs twice. */
export function Duplicate({ deployment, onClose }: { deployment: Deployment; onClose: () => void }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [name, setName] = useState(`${deployment.name}-copy`);
  const [active, setActive] = useState(false);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    setProblem("");
    try {
      // The server would replace a deployment of that name.
      const there = await post<number>("/deployments/count", {
        deployments: { name: { any_: [name] } },
        flows: { id: { any_: [deployment.flow_id] } },
      });
      if (there > 0) {
        setProblem(`The flow has a deployment ${name} already.`);
        return;
      }
      const shared = sharedLimit(deployment);
      const made = await createDeployment({
        ...Object.fromEntries(COPIED.map((key) => [key, deployment[key]])),
        ...(shared
          ? { global_concurrency_limit_id: shared.id }
          : { concurrency_limit: ownLimit(deployment) }),
        name,
        schedules: deployment.schedules.map((each) => ({
          schedule: each.schedule,
          active: each.active && active,
          parameters: each.parameters,
          max_scheduled_runs: each.max_scheduled_runs,
          slug: each.slug,
        })),
      });
      void queries.invalidateQueries({ queryKey: ["deployments"] });
      onClose();
      await navigate({ to: `/deployments/${made.id}` });
    } catch (error) {
      setProblem(said(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open title={`Duplicate ${deployment.name}`} onClose={onClose}>
      <form
        className="grid1"
        onSubmit={(event) => {
          event.preventDefault();
          void go();
        }}
      >
        <TextField
          label="Name of the new one"
          value={name}
          error={problem || null}
          data-autofocus
          onChange={(event) => setName(event.target.value)}
        />
        {deployment.schedules.length > 0 && (
          <label className="row">
            <Box on={active} label="Let its schedules run at once" onChange={setActive} />
            Let its schedules run at once
          </label>
        )}
        <div className="row dlg-acts">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" disabled={busy || !name.trim()}>
            Make {name || "it"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
