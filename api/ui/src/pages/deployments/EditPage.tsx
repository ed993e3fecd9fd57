import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import {
  changeDeployment,
  type Deployment,
  deploymentQuery,
  ownLimit,
  type Pool,
  poolQuery,
  poolsQuery,
  queuesQuery,
  sharedLimit,
  type Values,
} from "@/data/deployments";
import { ApiFailure, said } from "@/data/failures";
import { useNames } from "@/data/names";
import { Button, ButtonLink } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { SelectField, TextAreaField, TextField } from "@/parts/fields";
import { changed, defaultsOf, isSame } from "@/parts/form/compare";
import { SchemaForm } from "@/parts/form/SchemaForm";
import { useSchemaCheck } from "@/parts/form/useSchemaCheck";
import { SectionHead, Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateGlyph } from "@/parts/StateGlyph";
import { toast } from "@/parts/toasts";
import "./deployments.css";
import { Chips } from "./run/Chips";

type Draft = {
  description: string;
  version: string;
  entrypoint: string;
  path: string;
  tags: string[];
  parameters: Values;
  enforce: boolean;
  pool: string;
  queue: string;
  job: Values;
  limit: string;
  collision: string;
};

export default function EditPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const query = useQuery({ ...deploymentQuery(id), staleTime: Infinity });
  return (
    <Loaded query={query} what="The deployment">
      {(deployment) => <Editor key={id} deployment={deployment} />}
    </Loaded>
  );
}

function draftOf(deployment: Deployment): Draft {
  const limit = ownLimit(deployment);
  return {
    description: deployment.description ?? "",
    version: deployment.version ?? "",
    entrypoint: deployment.entrypoint ?? "",
    path: deployment.path ?? "",
    tags: deployment.tags,
    parameters: { ...defaultsOf(deployment.parameter_openapi_schema), ...deployment.parameters },
    enforce: deployment.enforce_parameter_schema,
    pool: deployment.work_pool_name ?? "",
    queue: deployment.work_queue_name ?? "",
    job: deployment.job_variables,
    limit: limit === null ? "" : String(limit),
    collision: deployment.concurrency_options?.collision_strategy ?? "ENQUEUE",
  };
}

/** Only what was changed, as the server takes it. */
function changesOf(deployment: Deployment, draft: Draft): Values {
  const old = draftOf(deployment);
  const changes: Values = {};
  for (const [key, name] of [
    ["description", "description"],
    ["version", "version"],
    ["entrypoint", "entrypoint"],
    ["path", "path"],
  ] as const)
    if (draft[key] !== old[key]) changes[name] = draft[key] || null;
  if (!isSame(draft.tags, old.tags)) changes["tags"] = draft.tags;
  if (draft.enforce !== old.enforce) changes["enforce_parameter_schema"] = draft.enforce;
  if (!isSame(draft.parameters, old.parameters)) {
    const defaults = defaultsOf(deployment.parameter_openapi_schema);
    const given = { ...deployment.parameters, ...changed(old.parameters, draft.parameters) };
    // What equals the flow's own default need not be kept.
    changes["parameters"] = Object.fromEntries(
      Object.entries(given).filter(([name, each]) => !isSame(each, defaults[name])),
    );
  }
  if (draft.pool !== old.pool || draft.queue !== old.queue) {
    changes["work_pool_name"] = draft.pool || null;
    changes["work_queue_name"] = draft.pool ? draft.queue || null : null;
  }
  if (!isSame(draft.job, old.job)) changes["job_variables"] = draft.job;
  if (draft.limit !== old.limit)
    changes["concurrency_limit"] = draft.limit === "" ? null : Number(draft.limit);
  if (draft.collision !== old.collision)
    changes["concurrency_options"] = { collision_strategy: draft.collision };
  return changes;
}

const propertiesOf = (pool: Pool | undefined): Values =>
  (pool?.base_job_template.variables?.["properties"] as Values | undefined) ?? {};

function Editor({ deployment }: { deployment: Deployment }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const flow = useNames("flows", [deployment.flow_id]).get(deployment.flow_id) ?? "";
  const old = useMemo(() => draftOf(deployment), [deployment]);
  const [draft, setDraft] = useState(old);
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const set = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));
  const pools = useQuery(poolsQuery).data ?? [];
  const pool = useQuery(poolQuery(draft.pool || null)).data;
  const queues = useQuery(queuesQuery(draft.pool || null)).data ?? [];
  const schema = useMemo(() => deployment.parameter_openapi_schema ?? {}, [deployment]);
  // What is required may come with each run.
  const loose = useMemo(() => ({ ...schema, required: [] }), [schema]);
  const check = useSchemaCheck(loose, draft.parameters);
  const variables = useMemo(
    () => ({ ...pool?.base_job_template.variables, properties: propertiesOf(pool), required: [] }),
    [pool],
  );
  const job = useSchemaCheck(variables, draft.job);
  const problems = draft.enforce ? check.problems : [];
  const changes = changesOf(deployment, draft);
  const count = Object.keys(changes).length;
  const at = (field: string) =>
    failure instanceof ApiFailure ? failure.fields.find((each) => each.at === field)?.text : undefined;
  const shared = sharedLimit(deployment);

  const save = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await changeDeployment(deployment.id, changes);
      toast({ text: `${deployment.name} is changed` });
      await queries.invalidateQueries({ queryKey: ["deployment"] });
      await navigate({ to: `/deployments/${deployment.id}` });
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Title
        crumbs={[
          { text: "Deployments", to: "/deployments" },
          { text: flow || "flow", to: `/flows/${deployment.flow_id}` },
          { text: deployment.name, to: `/deployments/${deployment.id}` },
        ]}
        title="Edit"
        sub={count === 0 ? "nothing changed" : Object.keys(changes).join(", ").replaceAll("_", " ")}
      >
        <ButtonLink quiet to={`/deployments/${deployment.id}`}>
          Cancel
        </ButtonLink>
        <Button
          disabled={busy || count === 0 || problems.length + job.problems.length > 0}
          onClick={() => void save()}
        >
          Save
        </Button>
      </Title>
      {failure !== null && (
        <div className="strip k-failed t-l" role="alert">
          <StateGlyph type="FAILED" label={false} /> {said(failure)}
        </div>
      )}
      <div className="bt" />
      <SectionHead title="What it is" />
      <div className="formpad">
        <TextAreaField
          label="Description"
          hint="Markdown"
          rows={5}
          value={draft.description}
          error={at("description")}
          onChange={(event) => set({ description: event.target.value })}
        />
        <div className="form2">
          <Chips label="Tags" values={draft.tags} onChange={(tags) => set({ tags })} />
          <TextField
            label="Version"
            value={draft.version}
            error={at("version")}
            onChange={(event) => set({ version: event.target.value })}
          />
          <TextField
            label="Entrypoint"
            mono
            value={draft.entrypoint}
            error={at("entrypoint")}
            onChange={(event) => set({ entrypoint: event.target.value })}
          />
          <TextField
            label="Path"
            mono
            value={draft.path}
            error={at("path")}
            onChange={(event) => set({ path: event.target.value })}
          />
        </div>
      </div>
      <div className="bt" />
      <SectionHead title="Parameters" count="what runs have unless they say otherwise">
        <Segmented
          small
          label="Whether values are checked"
          value={draft.enforce ? "yes" : "no"}
          choices={[
            { value: "yes", text: "Checked by the schema" },
            { value: "no", text: "Not checked" },
          ]}
          onChange={(value) => set({ enforce: value === "yes" })}
        />
      </SectionHead>
      <div className="formpad">
        <SchemaForm
          id="parameters"
          schema={schema}
          value={draft.parameters}
          base={old.parameters}
          problems={problems}
          onChange={(parameters) => set({ parameters })}
        />
      </div>
      <div className="bt" />
      <SectionHead title="Where it runs" />
      <div className="formpad">
        <div className="form2">
          <SelectField
            label="Work pool"
            was={draft.pool === old.pool ? null : old.pool || "none"}
            value={draft.pool}
            choices={[
              { value: "", text: "none: a process serves it" },
              ...pools.map((each) => ({ value: each.name, text: `${each.name} (${each.type})` })),
            ]}
            onChange={(event) => set({ pool: event.target.value, queue: "" })}
          />
          {draft.pool && (
            <SelectField
              label="Queue"
              was={draft.queue === old.queue ? null : old.queue || "default"}
              value={draft.queue}
              choices={[
                { value: "", text: "default of the pool" },
                ...[
                  ...new Set([...queues.map((each) => each.name), ...(draft.queue ? [draft.queue] : [])]),
                ].map((name) => ({ value: name, text: name })),
              ]}
              onChange={(event) => set({ queue: event.target.value })}
            />
          )}
          {shared ? (
            <div className="field">
              <span className="lab">Concurrency limit</span>
              <span className="note">
                It shares {shared.name} ({shared.limit} at a time).
              </span>
            </div>
          ) : (
            <TextField
              label="Concurrency limit"
              hint="runs at a time"
              inputMode="numeric"
              placeholder="no limit"
              value={draft.limit}
              error={at("concurrency_limit")}
              onChange={(event) => set({ limit: event.target.value.replace(/\D/g, "") })}
            />
          )}
          {(draft.limit !== "" || shared) && (
            <div className="field">
              <span className="lab">When it is reached</span>
              <div className="segf">
                <Segmented
                  label="When the limit is reached"
                  value={draft.collision}
                  choices={[
                    { value: "ENQUEUE", text: "New runs wait" },
                    { value: "CANCEL_NEW", text: "New runs are cancelled" },
                  ]}
                  onChange={(collision) => set({ collision })}
                />
              </div>
            </div>
          )}
        </div>
      </div>
      {Object.keys(propertiesOf(pool)).length > 0 && (
        <>
          <div className="bt" />
          <SectionHead title="Job variables" count={`of pool ${draft.pool}`} />
          <div className="formpad">
            <SchemaForm
              id="job"
              schema={variables}
              value={draft.job}
              base={old.job}
              problems={job.problems}
              onChange={(value) =>
                set({
                  job: Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)),
                })
              }
            />
          </div>
        </>
      )}
    </>
  );
}
