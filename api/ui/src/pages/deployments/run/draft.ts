/** A run that is being put together: what is sent for it, and the commands that do the same. */

import { API_URL } from "@/data/base";
import type { Deployment, Values } from "@/data/deployments";
import { changed, defaultsOf } from "@/parts/form/compare";

export type Draft = {
  parameters: Values;
  job: Values;
  name: string;
  /** ISO; null is now. */
  at: string | null;
  queue: string;
  tags: string[];
  key: string;
  retries: string;
  retryDelay: string;
};

export type Bases = { parameters: Values; job: Values };

const record = (value: unknown): Values =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : {};

/** What a run of the deployment has when nothing is changed. */
export function basesOf(deployment: Deployment, variables: unknown): Bases {
  const job: Values = { ...defaultsOf(variables), ...deployment.job_variables };
  const env = { ...record(defaultsOf(variables)["env"]), ...record(deployment.job_variables["env"]) };
  if (Object.keys(env).length > 0) job["env"] = env;
  return {
    parameters: { ...defaultsOf(deployment.parameter_openapi_schema), ...deployment.parameters },
    job,
  };
}

export function freshDraft(bases: Bases): Draft {
  return {
    parameters: bases.parameters,
    job: bases.job,
    name: "",
    at: null,
    queue: "",
    tags: [],
    key: "",
    retries: "",
    retryDelay: "",
  };
}

const whole = (text: string) => (text.trim() === "" ? undefined : Number(text));

/** The body of the request: only what differs from the deployment. */
export function bodyOf(draft: Draft, bases: Bases): Values {
  const body: Values = {};
  const parameters = changed(bases.parameters, draft.parameters);
  const job = changed(bases.job, draft.job);
  if ("env" in job) job["env"] = changed(record(bases.job["env"]), record(draft.job["env"]));
  if (Object.keys(parameters).length > 0) body["parameters"] = parameters;
  if (Object.keys(job).length > 0) body["job_variables"] = job;
  if (draft.name.trim()) body["name"] = draft.name.trim();
  if (draft.at) body["state"] = { type: "SCHEDULED", state_details: { scheduled_time: draft.at } };
  if (draft.queue) body["work_queue_name"] = draft.queue;
  if (draft.tags.length > 0) body["tags"] = draft.tags;
  if (draft.key.trim()) body["idempotency_key"] = draft.key.trim();
  const retries = whole(draft.retries);
  const delay = whole(draft.retryDelay);
  if (retries !== undefined || delay !== undefined)
    body["empirical_policy"] = {
      ...(retries === undefined ? {} : { retries }),
      ...(delay === undefined ? {} : { retry_delay: delay }),
    };
  return body;
}

const SAFE = /^[\w./:@%+=,-]+$/;
const quoted = (text: string) => (SAFE.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
const plain = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** The command line for the same run; null where it has no option for something that was changed. */
export function cliOf(fullName: string, body: Values): string | null {
  if ("empirical_policy" in body) return null;
  const words = [`heliostat deployment run ${quoted(fullName)}`];
  for (const [name, value] of Object.entries(record(body["parameters"])))
    words.push(`--param ${quoted(`${name}=${plain(value)}`)}`);
  for (const [name, value] of Object.entries(record(body["job_variables"])))
    words.push(`--job-variable ${quoted(`${name}=${plain(value)}`)}`);
  if (typeof body["name"] === "string") words.push(`--name ${quoted(body["name"])}`);
  const at = record(record(body["state"])["state_details"])["scheduled_time"];
  if (typeof at === "string") words.push(`--start-at ${quoted(at)}`);
  if (typeof body["work_queue_name"] === "string")
    words.push(`--work-queue ${quoted(body["work_queue_name"])}`);
  for (const tag of (body["tags"] as string[] | undefined) ?? []) words.push(`--tag ${quoted(tag)}`);
  if (typeof body["idempotency_key"] === "string")
    words.push(`--idempotency-key ${quoted(body["idempotency_key"])}`);
  words.push("--watch");
  return words.join(" \\\n  ");
}

export function curlCommand(id: string, body: Values): string {
  const address = quoted(`${API_URL}/deployments/${id}/create_flow_run`);
  return [
    `curl -X POST ${address}`,
    "-H 'Content-Type: application/json'",
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(" \\\n  ");
}

function python(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, each]) => `${JSON.stringify(key)}: ${python(each)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

/** The same in Python; null where it has no argument for something that was changed. */
export function pythonOf(fullName: string, body: Values): string | null {
  if ("empirical_policy" in body) return null;
  const at = record(record(body["state"])["state_details"])["scheduled_time"];
  const lines = [
    ...(at ? ["from datetime import datetime", ""] : []),
    "from heliostat import run_deployment",
    "",
    "run = run_deployment(",
    `    ${python(fullName)},`,
  ];
  const words: Record<string, unknown> = {
    parameters: body["parameters"],
    job_variables: body["job_variables"],
    flow_run_name: body["name"],
    work_queue_name: body["work_queue_name"],
    tags: body["tags"],
    idempotency_key: body["idempotency_key"],
  };
  for (const [name, value] of Object.entries(words))
    if (value !== undefined) lines.push(`    ${name}=${python(value)},`);
  if (at) lines.push(`    scheduled_time=datetime.fromisoformat(${python(at)}),`);
  return [...lines, ")"].join("\n");
}
