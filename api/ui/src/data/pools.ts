/** Work pools with their queues, workers and waiting line: what pages read of them and do to them. */

import { queryOptions } from "@tanstack/react-query";
import { get, patch, post, remove } from "./client";
import type { Deployment } from "./deployments";

export type Values = Record<string, unknown>;
export type Template = { variables: Values; job_configuration: Values };

export type PoolView = {
  id: string;
  name: string;
  type: string;
  description: string | null;
  status: "READY" | "NOT_READY" | "PAUSED";
  is_paused: boolean;
  concurrency_limit: number | null;
  taken: number;
  waiting: number;
  late: number;
  queues: number;
  workers: number;
  workers_online: number;
  deployments: number;
  last_heartbeat: string | null;
};

export type Pool = {
  id: string;
  created: string;
  updated: string;
  name: string;
  description: string | null;
  type: string;
  base_job_template: Partial<Template>;
  is_paused: boolean;
  concurrency_limit: number | null;
  status: PoolView["status"];
  default_queue_id: string;
  storage_configuration: Values;
};

export type Queue = {
  id: string;
  name: string;
  priority: number;
  is_paused: boolean;
  concurrency_limit: number | null;
  description: string | null;
  taken: number;
  waiting: number;
  oldest: string | null;
  begun_1h: number;
  last_polled: string | null;
};

export type Reason = {
  code: string;
  text: string;
  since: string | null;
  hint: string | null;
  holders: { id: string; name: string; state_name: string }[];
};

export type Waiting = {
  id: string;
  name: string;
  flow_name: string;
  deployment_id: string | null;
  deployment_name: string | null;
  state_name: string;
  queue: string;
  position: number;
  due: string;
  reasons: Reason[];
};

export type Line = { now: string; queues: Queue[]; waiting: Waiting[] };

export type InSlot = {
  id: string;
  name: string;
  flow_name: string;
  queue: string;
  state_type: string;
  state_name: string;
  start: string;
  end: string | null;
  place: string | null;
  run_count: number;
};

export type Lanes = { now: string; since: string; runs: InSlot[] };

export type Worker = {
  id: string;
  created: string;
  name: string;
  last_heartbeat_time: string;
  heartbeat_interval_seconds: number;
  status: "ONLINE" | "OFFLINE";
};

export type PoolType = {
  type: string;
  display_name: string;
  description: string;
  install_command: string;
  is_beta: boolean;
  default_base_job_configuration: Template;
};

const EVERY_MS = 5_000;
const LIVE = { live: ["work_pools", "work_queues", "workers", "flow_runs"] };
const at = (name: string) => `/work_pools/${encodeURIComponent(name)}`;

export const poolsQuery = queryOptions({
  queryKey: ["work_pools"],
  queryFn: ({ signal }) => get<PoolView[]>("/heliostat/work_pools", { signal }),
  refetchInterval: EVERY_MS,
  meta: LIVE,
});

export const poolQuery = (name: string) =>
  queryOptions({
    queryKey: ["work_pool", name],
    queryFn: ({ signal }) => get<Pool>(at(name), { signal }),
    refetchInterval: EVERY_MS,
    meta: LIVE,
  });

export const lineQuery = (name: string) =>
  queryOptions({
    queryKey: ["work_pool", name, "line"],
    queryFn: ({ signal }) => get<Line>(`/heliostat${at(name)}/line`, { signal }),
    refetchInterval: EVERY_MS,
    meta: LIVE,
  });

export const lanesQuery = (name: string, minutes: number) =>
  queryOptions({
    queryKey: ["work_pool", name, "lanes", minutes],
    queryFn: ({ signal }) => get<Lanes>(`/heliostat${at(name)}/lanes`, { query: { minutes }, signal }),
    refetchInterval: EVERY_MS,
    meta: LIVE,
  });

export const workersQuery = (name: string) =>
  queryOptions({
    queryKey: ["work_pool", name, "workers"],
    queryFn: ({ signal }) => post<Worker[]>(`${at(name)}/workers/filter`, { limit: 200 }, { signal }),
    refetchInterval: 3_000,
    meta: LIVE,
  });

export const sendersQuery = (name: string) =>
  queryOptions({
    queryKey: ["deployments", "of pool", name],
    queryFn: ({ signal }) =>
      post<Deployment[]>(
        "/deployments/filter",
        { work_pools: { name: { any_: [name] } }, limit: 50, sort: "NAME_ASC" },
        { signal },
      ),
    refetchInterval: 15_000,
  });

/** Kinds of pools that this server knows, by their package. */
export const poolTypesQuery = queryOptions({
  queryKey: ["pool types"],
  queryFn: async ({ signal }) => {
    const packages = await get<Record<string, Record<string, PoolType>>>(
      "/collections/views/aggregate-worker-metadata",
      { signal },
    );
    return Object.values(packages).flatMap((each) => Object.values(each));
  },
  staleTime: Infinity,
});

export type NewPool = {
  name: string;
  type: string;
  description: string | null;
  concurrency_limit: number | null;
  base_job_template?: Template;
};

export const createPool = (pool: NewPool) => post<Pool>("/work_pools/", pool);
export const changePool = (name: string, changes: Values) => patch<undefined>(at(name), changes);
export const deletePool = (name: string) => remove<undefined>(at(name));
export const createQueue = (pool: string, queue: Values) => post<Queue>(`${at(pool)}/queues`, queue);
export const changeQueue = (pool: string, queue: string, changes: Values) =>
  patch<undefined>(`${at(pool)}/queues/${encodeURIComponent(queue)}`, changes);
export const deleteQueue = (pool: string, queue: string) =>
  remove<undefined>(`${at(pool)}/queues/${encodeURIComponent(queue)}`);
export const forgetWorker = (pool: string, worker: string) =>
  remove<undefined>(`${at(pool)}/workers/${encodeURIComponent(worker)}`);

/** The state whose glyph and colour a pool's status has, and its word. */
export function statusOf(pool: { status: string; type: string }): { type: string; name: string } {
  if (pool.status === "PAUSED") return { type: "PAUSED", name: "Paused" };
  if (pool.status === "READY") return { type: "COMPLETED", name: "Ready" };
  return { type: "SCHEDULED", name: "NotReady" };
}
