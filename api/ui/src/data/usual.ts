/** How long runs of a flow or a deployment usually take, from its past runs. */

import { queryOptions } from "@tanstack/react-query";
import { post } from "./client";

/** Seconds; `runs` is the number of past runs behind them. */
export type Usual = { median_s: number; p95_s: number; runs: number };
export type Usuals = Record<string, Usual>;

type Owners = { flow_ids?: readonly string[]; deployment_ids?: readonly string[] };

/** By the id of the flow or deployment; those that never completed are left out. At most 200 ids of each. */
export const usualQuery = ({ flow_ids = [], deployment_ids = [] }: Owners) =>
  queryOptions({
    queryKey: ["usual", [...flow_ids].sort(), [...deployment_ids].sort()],
    queryFn: ({ signal }) =>
      post<Usuals>("/heliostat/usual_lengths", { flow_ids, deployment_ids }, { signal }),
    enabled: flow_ids.length + deployment_ids.length > 0,
    staleTime: 30_000,
  });
