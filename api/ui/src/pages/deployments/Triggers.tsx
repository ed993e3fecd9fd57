import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus, Zap } from "lucide-react";
import { type Automation, enableAutomation } from "@/data/automations";
import { get } from "@/data/client";
import { act } from "@/parts/acting";
import { ButtonLink } from "@/parts/Button";
import { Switch } from "@/parts/choosing";
import { SectionHead } from "@/parts/page";

const relatedQuery = (deployment: string) =>
  queryOptions({
    queryKey: ["automations", "related to", deployment],
    queryFn: ({ signal }) =>
      get<Automation[]>(`/automations/related-to/prefect.deployment.${deployment}`, { signal }),
  });

/** Automations that start this deployment, or do something else with it. */
export function Triggers({ deployment }: { deployment: string }) {
  const queries = useQueryClient();
  const automations = useQuery(relatedQuery(deployment)).data ?? [];
  const refresh = () => queries.invalidateQueries({ queryKey: ["automations"] });
  const setEnabled = async (automation: Automation, on: boolean) => {
    await act(on ? "Not enabled" : "Not paused", () => enableAutomation(automation.id, on), {
      done: `${automation.name} is ${on ? "at work" : "paused"}`,
      undo: () => void enableAutomation(automation.id, !on).then(refresh),
    });
    await refresh();
  };
  return (
    <div className="bt">
      <SectionHead title="Triggers" count={automations.length || undefined}>
        <ButtonLink small to="/automations/new">
          <Plus className="i s" /> Add
        </ButtonLink>
      </SectionHead>
      {automations.map((automation) => (
        <div key={automation.id} className="sitem bt">
          <Zap className="i" />
          <Link className="grow cut b" to={`/automations/${automation.id}`} title={automation.name}>
            {automation.name}
          </Link>
          <Switch
            on={automation.enabled}
            label={`Automation ${automation.name}`}
            onChange={(on) => void setEnabled(automation, on)}
          />
        </div>
      ))}
    </div>
  );
}
