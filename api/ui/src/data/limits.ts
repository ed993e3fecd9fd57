/** Concurrency limits with those who hold their slots and those who wait. */

import { queryOptions } from "@tanstack/react-query";
import { get, patch, post, remove } from "./client";

export type Holder = {
  slots: number;
  since: string | null;
  until: string | null;
  lease_id: string | null;
  kind: string | null;
  id: string | null;
  name: string | null;
  flow_run_id: string | null;
  flow_run_name: string | null;
};

export type Limit = {
  id: string;
  name: string;
  created: string;
  updated: string;
  active: boolean;
  limit: number;
  slot_decay_per_second: number;
  active_slots: number;
  denied_slots: number;
  avg_slot_occupancy_seconds: number;
  holders: Holder[];
  waiting: Holder[];
  deployments: number;
};

export type DeploymentLimit = {
  id: string;
  name: string;
  flow_name: string;
  limit: number;
  collision_strategy: string;
  taken: number;
  waiting: number;
  oldest: string | null;
  holders: Holder[];
};

export type Limits = { limits: Limit[]; deployments: DeploymentLimit[] };

export const TAG = "tag:";

export const limitsQuery = queryOptions({
  queryKey: ["concurrency_limits"],
  queryFn: ({ signal }) => get<Limits>("/heliostat/limits", { signal }),
  refetchInterval: 3_000,
  meta: { live: ["concurrency_limits", "deployments", "flow_runs"] },
});

const at = (limit: { id: string }) => `/v2/concurrency_limits/${limit.id}`;

export type LimitFields = { name: string; limit: number; active: boolean; slot_decay_per_second: number };

export const createLimit = (fields: LimitFields) => post<Limit>("/v2/concurrency_limits/", fields);
export const changeLimit = (
  limit: { id: string },
  fields: Partial<LimitFields> & { active_slots?: number },
) => patch<undefined>(at(limit), fields);
export const deleteLimit = (limit: { id: string }) => remove<undefined>(at(limit));
export const releaseLease = (lease_id: string) =>
  post<undefined>("/v2/concurrency_limits/decrement-with-lease", { lease_id });
export const changeDeploymentLimit = (id: string, limit: number | null) =>
  patch<undefined>(`/deployments/${id}`, { concurrency_limit: limit });
