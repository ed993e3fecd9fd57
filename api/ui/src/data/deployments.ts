/** Deployments with their schedules: what pages read of them and do to them. */

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get, patch, post, remove } from "./client";

export type Values = Record<string, unknown>;
export type Definition = Record<string, unknown>;
export type CreatedBy = { type?: string | null; display_value?: string | null } | null;

export type Schedule = {
  id: string;
  created: string;
  updated: string;
  deployment_id: string;
  schedule: Definition;
  active: boolean;
  max_scheduled_runs: number | null;
  parameters: Values;
  slug: string | null;
};

export type Deployment = {
  id: string;
  created: string;
  updated: string;
  name: string;
  version: string | null;
  description: string | null;
  flow_id: string;
  paused: boolean;
  paused_by: CreatedBy;
  schedules: Schedule[];
  concurrency_limit: number | null;
  global_concurrency_limit: { id: string; name: string; limit: number; active_slots: number } | null;
  concurrency_options: { collision_strategy: "ENQUEUE" | "CANCEL_NEW" } | null;
  job_variables: Values;
  parameters: Values;
  tags: string[];
  labels: Values;
  work_pool_name: string | null;
  work_queue_name: string | null;
  work_queue_id: string | null;
  last_polled: string | null;
  parameter_openapi_schema: Values | null;
  path: string | null;
  pull_steps: Values[] | null;
  entrypoint: string | null;
  created_by: CreatedBy;
  updated_by: CreatedBy;
  status: "READY" | "NOT_READY" | null;
  enforce_parameter_schema: boolean;
};

/** The deployment's own limit, which the server tells in the form of a shared one. */
export function ownLimit(deployment: Deployment): number | null {
  const limit = deployment.global_concurrency_limit;
  return limit?.name === `deployment:${deployment.id}` ? limit.limit : deployment.concurrency_limit;
}

/** A limit that it shares with others. */
export function sharedLimit(deployment: Deployment): Deployment["global_concurrency_limit"] {
  const limit = deployment.global_concurrency_limit;
  return limit?.name === `deployment:${deployment.id}` ? null : limit;
}

export type Pool = {
  id: string;
  name: string;
  type: string;
  is_paused: boolean;
  status: string | null;
  concurrency_limit: number | null;
  base_job_template: { variables?: Values; job_configuration?: Values };
};

export type Recent = {
  runs: {
    id: string;
    name: string;
    state_type: string | null;
    state_name: string | null;
    at: string;
    start: string | null;
    end: string | null;
  }[];
  next_at: string | null;
  next_run_id: string | null;
};

const MOST = 200;
const RUNS = { live: ["flow_runs"] };

export const deploymentQuery = (id: string) =>
  queryOptions({
    queryKey: ["deployment", id],
    queryFn: ({ signal }) => get<Deployment>(`/deployments/${id}`, { signal }),
  });

export type DeploymentSearch = { text: string; tag: string; pool: string; paused: string; sort: string };
const PAGE = 50;

/** Deployments by a part of their name or their flow's, a tag, a pool, and whether they are paused. */
export const deploymentsQuery = (search: DeploymentSearch) =>
  infiniteQueryOptions({
    queryKey: ["deployments", search],
    queryFn: ({ pageParam, signal }) =>
      post<Deployment[]>(
        "/deployments/filter",
        {
          limit: PAGE,
          offset: pageParam,
          sort: search.sort,
          deployments: {
            ...(search.text ? { flow_or_deployment_name: { like_: search.text } } : {}),
            ...(search.tag ? { tags: { all_: [search.tag] } } : {}),
            ...(search.paused ? { paused: { eq_: search.paused === "yes" } } : {}),
          },
          ...(search.pool ? { work_pools: { name: { any_: [search.pool] } } } : {}),
        },
        { signal },
      ),
    initialPageParam: 0,
    getNextPageParam: (last, all) => (last.length < PAGE ? undefined : all.length * PAGE),
  });

export const deploymentsOfFlowQuery = (flowId: string) =>
  queryOptions({
    queryKey: ["deployments", "of flow", flowId],
    queryFn: ({ signal }) =>
      post<Deployment[]>(
        "/deployments/filter",
        { flows: { id: { any_: [flowId] } }, limit: MOST },
        { signal },
      ),
  });

export const poolQuery = (name: string | null) =>
  queryOptions({
    queryKey: ["work_pool", name],
    queryFn: ({ signal }) => get<Pool>(`/work_pools/${encodeURIComponent(name ?? "")}`, { signal }),
    enabled: Boolean(name),
  });

export const poolsQuery = queryOptions({
  queryKey: ["work_pools", "all"],
  queryFn: ({ signal }) => post<Pool[]>("/work_pools/filter", { limit: MOST }, { signal }),
  staleTime: 15_000,
});

export const queuesQuery = (pool: string | null) =>
  queryOptions({
    queryKey: ["work_queues", pool],
    queryFn: ({ signal }) =>
      post<{ name: string; priority: number; concurrency_limit: number | null }[]>(
        `/work_pools/${encodeURIComponent(pool ?? "")}/queues/filter`,
        { limit: MOST },
        { signal },
      ),
    enabled: Boolean(pool),
    staleTime: 15_000,
  });

/** The newest runs of each and the next one; at most 200 ids. */
export const recentQuery = (
  of: { deployment_ids?: readonly string[]; flow_ids?: readonly string[] },
  limit = 20,
) =>
  queryOptions({
    queryKey: ["recent_runs", of, limit],
    queryFn: ({ signal }) =>
      post<Record<string, Recent>>("/heliostat/recent_runs", { ...of, limit }, { signal }),
    enabled: (of.deployment_ids?.length ?? 0) + (of.flow_ids?.length ?? 0) > 0,
    meta: RUNS,
  });

export const pauseDeployment = (id: string) => post<null>(`/deployments/${id}/pause_deployment`);
export const resumeDeployment = (id: string) => post<null>(`/deployments/${id}/resume_deployment`);
export const changeDeployment = (id: string, changes: Values) => patch(`/deployments/${id}`, changes);
export const deleteDeployment = (id: string) => remove(`/deployments/${id}`);
export const createDeployment = (body: Values) => post<Deployment>("/deployments/", body);
export const runDeployment = (id: string, body: Values = {}) =>
  post<{ id: string; name: string }>(`/deployments/${id}/create_flow_run`, body);

export type ScheduleBody = {
  schedule?: Definition;
  active?: boolean;
  parameters?: Values;
  slug?: string | null;
  max_scheduled_runs?: number | null;
};

export const addSchedule = (id: string, body: ScheduleBody) =>
  post<Schedule[]>(`/deployments/${id}/schedules`, [body]);
export const changeSchedule = (id: string, schedule: string, body: ScheduleBody) =>
  patch(`/deployments/${id}/schedules/${schedule}`, body);
export const deleteSchedule = (id: string, schedule: string) =>
  remove(`/deployments/${id}/schedules/${schedule}`);

export type Preview =
  | { problem: { field: string; text: string } }
  | {
      problem: null;
      zone: string;
      definition: Definition;
      dates: string[];
      next_day: string | null;
      hours: number[][];
      a_week: number;
      is_cut: boolean;
      clock_changes: { at: string; shift_s: number; next_date: string | null }[];
    };

export const previewQuery = (schedule: Definition, count = 3) =>
  queryOptions({
    queryKey: ["schedule preview", schedule, count],
    queryFn: ({ signal }) => post<Preview>("/heliostat/schedules/preview", { schedule, count }, { signal }),
    refetchInterval: 30_000,
  });

export type Flow = { id: string; created: string; updated: string; name: string; tags: string[] };

export const flowQuery = (id: string) =>
  queryOptions({
    queryKey: ["flow", id],
    queryFn: ({ signal }) => get<Flow>(`/flows/${id}`, { signal }),
  });

export const flowsQuery = (search: { text: string; sort: string }) =>
  infiniteQueryOptions({
    queryKey: ["flows", search],
    queryFn: ({ pageParam, signal }) =>
      post<Flow[]>(
        "/flows/filter",
        {
          limit: PAGE,
          offset: pageParam,
          sort: search.sort,
          ...(search.text ? { flows: { name: { like_: search.text } } } : {}),
        },
        { signal },
      ),
    initialPageParam: 0,
    getNextPageParam: (last, all) => (last.length < PAGE ? undefined : all.length * PAGE),
  });

export type TaskRecord = { name: string; runs: number; failed: number; retried: number };

export const tasksOfFlowQuery = (id: string) =>
  queryOptions({
    queryKey: ["flow tasks", id],
    queryFn: ({ signal }) => get<TaskRecord[]>(`/heliostat/flows/${id}/tasks`, { signal }),
    staleTime: 30_000,
  });

export const deleteFlow = (id: string) => remove(`/flows/${id}`);
