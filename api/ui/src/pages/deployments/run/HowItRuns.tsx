import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queuesQuery, type Deployment, type Pool, type Values } from "@/data/deployments";
import { useClock } from "@/data/preferences";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { SelectField, TextField } from "@/parts/fields";
import type { PlacedProblem } from "@/parts/form/compare";
import { SchemaForm } from "@/parts/form/SchemaForm";
import { SectionHead } from "@/parts/page";
import { zoneName } from "@/words/times";
import { fromWallText, wallText } from "@/words/zoned";
import { Chips } from "./Chips";
import type { Bases, Draft } from "./draft";
import { Environment } from "./Environment";

const HOUR_MS = 3_600_000;

export function HowItRuns({
  deployment,
  pool,
  draft,
  bases,
  job,
  set,
}: {
  deployment: Deployment;
  pool: Pool | undefined;
  draft: Draft;
  bases: Bases;
  job: readonly PlacedProblem[];
  set: (changes: Partial<Draft>) => void;
}) {
  const [all, setAll] = useState(job.length > 0);
  const queues = useQuery(queuesQuery(deployment.work_pool_name)).data ?? [];
  const clock = useClock();
  // The environment has rows of its own below.
  const others = Object.entries(propertiesOf(pool)).filter(([name]) => name !== "env");
  const properties = Object.fromEntries(others);
  const count = Object.keys(properties).length;
  const own = deployment.work_queue_name ?? "default";
  return (
    <>
      <SectionHead title="How it runs" count={deployment.work_pool_name ?? "no work pool"}>
        {count > 0 && (
          <button type="button" className="link" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Fewer" : `All ${count} job variables`}
          </button>
        )}
      </SectionHead>
      <div className="formpad">
        <div className="form3">
          <div className="field">
            <span className="lab">Start</span>
            <div className="segf">
              <Segmented
                label="Start"
                value={draft.at === null ? "now" : "later"}
                choices={[
                  { value: "now", text: "Now" },
                  { value: "later", text: "Later…" },
                ]}
                onChange={(when) =>
                  set({ at: when === "now" ? null : new Date(Date.now() + HOUR_MS).toISOString() })
                }
              />
            </div>
          </div>
          {draft.at !== null && (
            <TextField
              label="At"
              hint={zoneName(clock)}
              type="datetime-local"
              step={1}
              value={wallText(new Date(draft.at), clock.zone)}
              onChange={(event) => {
                const at = fromWallText(event.target.value, clock.zone);
                if (at) set({ at: at.toISOString() });
              }}
            />
          )}
          <TextField
            label="Run name"
            placeholder="made for you"
            value={draft.name}
            onChange={(event) => set({ name: event.target.value })}
          />
          {deployment.work_pool_name && (
            <SelectField
              label="Queue"
              was={draft.queue && draft.queue !== own ? own : null}
              value={draft.queue || own}
              choices={[...new Set([own, ...queues.map((each) => each.name)])].map((name) => ({
                value: name,
                text: name,
              }))}
              onChange={(event) => set({ queue: event.target.value === own ? "" : event.target.value })}
            />
          )}
          <TextField
            label="Retries of the flow"
            inputMode="numeric"
            placeholder="as the flow says"
            value={draft.retries}
            onChange={(event) => set({ retries: event.target.value.replace(/\D/g, "") })}
          />
          <TextField
            label="Seconds before a retry"
            inputMode="numeric"
            placeholder="as the flow says"
            value={draft.retryDelay}
            onChange={(event) => set({ retryDelay: event.target.value.replace(/\D/g, "") })}
          />
          <Chips label="Tags" values={draft.tags} onChange={(tags) => set({ tags })} />
          <TextField
            label="Idempotency key"
            placeholder="none"
            value={draft.key}
            onChange={(event) => set({ key: event.target.value })}
          />
        </div>
        {all && count > 0 && (
          <SchemaForm
            id="job"
            schema={{ ...pool?.base_job_template.variables, properties }}
            value={draft.job}
            base={bases.job}
            problems={job}
            onChange={(value) => set({ job: value })}
          />
        )}
        {!all && job.length > 0 && (
          <div>
            <Button small onClick={() => setAll(true)}>
              Show the job variables to mend
            </Button>
          </div>
        )}
      </div>
      {"env" in propertiesOf(pool) && (
        <Environment
          base={record(bases.job["env"])}
          value={record(draft.job["env"])}
          onChange={(env) => set({ job: { ...draft.job, env } })}
        />
      )}
    </>
  );
}

const record = (value: unknown): Values =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : {};

function propertiesOf(pool: Pool | undefined): Values {
  return record(record(pool?.base_job_template.variables)["properties"]);
}
