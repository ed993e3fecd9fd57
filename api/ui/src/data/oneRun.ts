/** One flow run with all that its page shows. All keys begin alike, so that news of the run renew them together. */

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { isFinal } from "@/words/states";
import { get, post } from "./client";
import type { FlowRun, State } from "./runs";

export type Decision = {
  timestamp: string;
  task_run_id: string | null;
  rule: string;
  status: "ACCEPT" | "REJECT" | "WAIT" | "ABORT";
  reason: string;
  from_type: string | null;
  to_type: string;
  to_name: string;
};

export type RunState = State & {
  id: string;
  timestamp: string;
  state_details: Record<string, unknown> | null;
};

export type RunError = { type?: string; message?: string; traceback?: string; cause?: string };

export type RunDetails = FlowRun & {
  flow_name: string;
  entrypoint: string | null;
  code_revision?: string | null;
  flow_version: string | null;
  deployment_version: string | null;
  error: RunError | null;
  task_run_counts: Record<string, number>;
  states: RunState[];
  decisions: Decision[];
  executor?: { host: string | null; pid: number | null; alive: boolean | null } | null;
  executor_note?: string | null;
  created_by: { id?: string; type?: string; display_value?: string } | null;
  empirical_policy: { retries?: number | null; retry_delay?: number | null } & Record<string, unknown>;
  job_variables: Record<string, unknown>;
  infrastructure_pid: string | null;
  idempotency_key: string | null;
  labels: Record<string, unknown>;
  context: Record<string, unknown>;
};

const WATCH_MS = 10_000; // news come by the stream: this is for what it misses

/** What of the stream makes the answers about a run stale. */
const live = (id: string) => ({ live: [`flow_run:${id}`, `task_runs:${id}`] });

/** Ask again now and then while a run goes on. */
export const whileGoing = (type: string | null | undefined) => (isFinal(type) ? false : WATCH_MS);

export const runDetailsQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "details"],
    meta: live(id),
    queryFn: ({ signal }) => get<RunDetails>(`/heliostat/flow_runs/${id}/details`, { signal }),
    refetchInterval: (query) => whileGoing(query.state.data?.state_type),
  });

export type Reason = {
  code: string;
  text: string;
  since: string | null;
  hint: string | null;
  holders: { id: string; name: string; state_name: string }[];
};
export type Explanation = { summary: string; reasons: Reason[]; scheduled_for: string | null };

export const explainQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "explain"],
    meta: { live: [`flow_run:${id}`, "work_pools", "work_queues", "deployments", "concurrency_limits"] },
    queryFn: ({ signal }) => get<Explanation>(`/heliostat/flow_runs/${id}/explain`, { signal }),
    refetchInterval: 5_000, // who holds a slot changes without news of this run
  });

export type FailureKind = {
  task_key: string;
  task_name: string;
  state_type: string;
  cause: string;
  count: number;
  first_at: string | null;
  last_at: string | null;
  ids: string[];
  names: string[];
};

export const failuresQuery = (id: string, failed: number) =>
  queryOptions({
    queryKey: ["run", id, "failures", failed],
    queryFn: ({ signal }) => get<FailureKind[]>(`/heliostat/flow_runs/${id}/failures`, { signal }),
    enabled: failed > 0,
  });

export type Group = {
  task_key: string;
  task_name: string;
  counts: Record<string, number>;
  seconds: number;
  slowest_s: number | null;
  start_time: string | null;
  end_time: string | null;
};

export const groupsQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id, "groups"],
    queryFn: ({ signal }) => get<Group[]>(`/heliostat/flow_runs/${id}/groups`, { signal }),
  });

export type Preview = {
  kind: string | null;
  serializer: string | null;
  size: number | null;
  value: unknown;
  type: string | null;
  cut: boolean;
  problem: string | null;
};

export const previewQuery = (kind: "flow_runs" | "task_runs", id: string, stateId: string | undefined) =>
  queryOptions({
    queryKey: [kind === "flow_runs" ? "run" : "task_run", id, "preview", stateId],
    queryFn: ({ signal }) => get<Preview>(`/heliostat/${kind}/${id}/result/preview`, { signal }),
  });

export type TaskRun = {
  id: string;
  name: string;
  flow_run_id: string | null;
  task_key: string;
  dynamic_key: string;
  state_type: string | null;
  state_name: string | null;
  state: State | null;
  run_count: number;
  start_time: string | null;
  end_time: string | null;
  expected_start_time: string | null;
  total_run_time: number;
  estimated_run_time: number;
  tags: string[];
  task_inputs: Record<string, { input_type: string; id?: string; name?: string }[]>;
  empirical_policy: Record<string, unknown>;
  cache_key: string | null;
  cache_expiration: string | null;
  task_version: string | null;
  labels: Record<string, unknown>;
};

export type TaskRunAsk = { name: string; types: readonly string[]; sort: string };

const PAGE = 200;

export const taskRunsQuery = (id: string, asked: TaskRunAsk, going: boolean) =>
  infiniteQueryOptions({
    queryKey: ["run", id, "task_runs", asked],
    meta: live(id),
    queryFn: ({ pageParam, signal }) =>
      post<TaskRun[]>(
        "/task_runs/filter",
        {
          task_runs: {
            flow_run_id: { any_: [id] },
            ...(asked.types.length > 0 && { state: { type: { any_: asked.types } } }),
            ...(asked.name && { name: { like_: asked.name } }),
          },
          sort: asked.sort,
          limit: PAGE,
          offset: pageParam,
        },
        { signal },
      ),
    initialPageParam: 0,
    getNextPageParam: (last, all) => (last.length < PAGE ? undefined : all.length * PAGE),
    refetchInterval: (query) => (going && (query.state.data?.pages.length ?? 0) < 4 ? WATCH_MS : false),
  });

export const subflowsQuery = (id: string, going: boolean) =>
  queryOptions({
    queryKey: ["run", id, "subflows"],
    meta: live(id),
    queryFn: ({ signal }) =>
      post<FlowRun[]>(
        "/flow_runs/filter",
        {
          flow_runs: { parent_flow_run_id: { any_: [id] } },
          sort: "EXPECTED_START_TIME_ASC",
          limit: PAGE,
        },
        { signal },
      ),
    refetchInterval: going ? WATCH_MS : false,
  });

export type Artifact = {
  id: string;
  created: string;
  key: string | null;
  type: string | null;
  description: string | null;
  data: unknown;
  task_run_id: string | null;
};

export const artifactsQuery = (asked: { flow_run_id?: string; task_run_id?: string }, going: boolean) =>
  queryOptions({
    queryKey: asked.task_run_id
      ? ["task_run", asked.task_run_id, "artifacts"]
      : ["run", asked.flow_run_id, "artifacts"],
    queryFn: ({ signal }) =>
      post<Artifact[]>(
        "/artifacts/filter",
        {
          artifacts: {
            ...(asked.flow_run_id && { flow_run_id: { any_: [asked.flow_run_id] } }),
            ...(asked.task_run_id && { task_run_id: { any_: [asked.task_run_id] } }),
            type: { not_any_: ["result"] },
          },
          sort: "ID_DESC",
          limit: PAGE,
        },
        { signal },
      ),
    refetchInterval: going ? WATCH_MS : false,
  });

export type DeploymentBrief = {
  id: string;
  name: string;
  parameters: Record<string, unknown>;
  parameter_openapi_schema: unknown;
  concurrency_limit: number | null;
};

export const deploymentQuery = (id: string | null) =>
  queryOptions({
    queryKey: ["deployment", id],
    queryFn: ({ signal }) => get<DeploymentBrief>(`/deployments/${id ?? ""}`, { signal }),
    enabled: id !== null,
    staleTime: 30_000,
  });

/** The schema of the input that a paused run waits for; null when it waits for none. */
export const inputSchemaQuery = (id: string, keyset: Record<string, string> | null) =>
  queryOptions({
    queryKey: ["run", id, "input_schema", keyset?.["schema"]],
    queryFn: async ({ signal }) => {
      const key = encodeURIComponent(keyset?.["schema"] ?? "");
      return get<unknown>(`/flow_runs/${id}/input/${key}`, { signal });
    },
    enabled: keyset !== null,
    staleTime: Infinity,
  });

export const taskRunQuery = (id: string) =>
  queryOptions({
    queryKey: ["task_run", id, "details"],
    queryFn: ({ signal }) => get<TaskRunDetails>(`/heliostat/task_runs/${id}/details`, { signal }),
    refetchInterval: (query) => whileGoing(query.state.data?.state_type),
  });

export type TaskRunDetails = TaskRun & {
  states: RunState[];
  error: RunError | null;
  result_kind: string | null;
  node: string | null;
  pid: number | null;
};

export type Step = {
  id: string;
  name: string;
  task_key: string;
  task_name: string;
  state_type: string;
  state_name: string;
  seconds: number | null;
  run_count: number;
  count: number;
};

export type Sibling = readonly [
  id: string,
  index: string,
  type: string,
  name: string,
  seconds: number | null,
];

export type Surroundings = {
  before: Step[];
  after: Step[];
  siblings: Sibling[];
  count: number;
  failed: number;
  inputs: Record<string, Step[]>;
};

export const surroundingsQuery = (id: string, going: boolean) =>
  queryOptions({
    queryKey: ["task_run", id, "surroundings"],
    queryFn: ({ signal }) => get<Surroundings>(`/heliostat/task_runs/${id}/surroundings`, { signal }),
    refetchInterval: going ? WATCH_MS : false,
  });
