/** Flow runs: what pages ask of them. */

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get, post } from "./client";

export type State = { id?: string; type: string; name: string; timestamp?: string; message?: string | null };
export type FlowRun = {
  id: string;
  name: string;
  flow_id: string;
  deployment_id: string | null;
  parent_task_run_id: string | null;
  state_type: string | null;
  state_name: string | null;
  state: State | null;
  created: string;
  updated: string;
  start_time: string | null;
  end_time: string | null;
  expected_start_time: string | null;
  total_run_time: number;
  estimated_run_time: number;
  estimated_start_time_delta: number;
  auto_scheduled: boolean;
  parameters: Record<string, unknown>;
  tags: string[];
  work_pool_name: string | null;
  work_queue_name: string | null;
  run_count: number;
};

export type FlowRunFilter = Record<string, unknown>;

const PAGE = 200;

/** Pages of flow runs that fit a filter of the standard API. */
export const flowRunsQuery = (filter: FlowRunFilter, sort: string) =>
  infiniteQueryOptions({
    queryKey: ["flow_runs", filter, sort],
    queryFn: ({ pageParam, signal }) =>
      post<FlowRun[]>("/flow_runs/filter", { ...filter, sort, limit: PAGE, offset: pageParam }, { signal }),
    initialPageParam: 0,
    getNextPageParam: (last, all) => (last.length < PAGE ? undefined : all.length * PAGE),
  });

export const flowRunQuery = (id: string) =>
  queryOptions({
    queryKey: ["flow_run", id],
    queryFn: ({ signal }) => get<FlowRun>(`/flow_runs/${id}`, { signal }),
  });
