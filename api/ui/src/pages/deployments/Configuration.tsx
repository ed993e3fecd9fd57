import type { CreatedBy, Deployment } from "@/data/deployments";
import { CommandLine } from "@/parts/places";
import { Pairs } from "@/parts/page";
import { Ago } from "@/parts/Time";
import { Values } from "@/parts/Values";

const by = (who: CreatedBy) => (who?.display_value ? ` by ${who.display_value}` : "");

export function Configuration({ deployment, fullName }: { deployment: Deployment; fullName: string }) {
  const none = <span className="q">none</span>;
  const mono = (text: string | null) => (text ? <span className="mono">{text}</span> : none);
  return (
    <div className="dep-text">
      <Pairs
        rows={[
          ["Id", mono(deployment.id)],
          ["Flow", mono(deployment.flow_id)],
          ["Entrypoint", mono(deployment.entrypoint)],
          ["Path", mono(deployment.path)],
          ["Version", mono(deployment.version)],
          [
            "Parameters",
            deployment.enforce_parameter_schema ? "checked by the schema" : "not checked by the schema",
          ],
          [
            "Made",
            <span key="made">
              <Ago at={deployment.created} />
              {by(deployment.created_by)}
            </span>,
          ],
          [
            "Changed",
            <span key="changed">
              <Ago at={deployment.updated} />
              {by(deployment.updated_by)}
            </span>,
          ],
          [
            "Last asked for runs",
            deployment.last_polled ? <Ago key="polled" at={deployment.last_polled} /> : none,
          ],
        ]}
      />
      <CommandLine command={`heliostat deployment inspect '${fullName}' --output json`} />
      {deployment.pull_steps && deployment.pull_steps.length > 0 && (
        <Values label="Pull steps" value={deployment.pull_steps} />
      )}
      {Object.keys(deployment.labels).length > 0 && <Values label="Labels" value={deployment.labels} />}
    </div>
  );
}
