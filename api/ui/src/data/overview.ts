/** What the first page shows, and what needs a person. */

import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";

export type Bin = { runs: Record<string, number>; longest_s: number; tasks: number };
export type Pool = {
  name: string;
  type: string;
  status: string;
  is_paused: boolean;
  limit: number | null;
  taken: number;
  late: number;
};
export type Overview = {
  now: string;
  since: string;
  step_s: number;
  bins: Bin[];
  under_way: Record<"running" | "waiting" | "late" | "paused", number>;
  start_delay_s: number | null;
  events_per_s: number;
  pools: Pool[];
};
export type Need = {
  kind:
    | "crashed"
    | "failed"
    | "keeps-failing"
    | "late"
    | "unplaceable"
    | "waits-for-input"
    | "stands-still"
    | "paused";
  run_id: string;
  run_name: string;
  flow_name: string;
  deployment_id: string | null;
  deployment_name: string | null;
  count: number;
  text: string;
  since: string | null;
  code: string | null;
  hint: string | null;
  work_pool: string | null;
  work_queue: string | null;
  failures: number;
};

const EVERY_MS = 10_000; // when nothing else tells that something changed

export const overviewQuery = (hours: number, parts: number) =>
  queryOptions({
    queryKey: ["overview", hours, parts],
    queryFn: ({ signal }) => get<Overview>("/heliostat/overview", { query: { hours, parts }, signal }),
    refetchInterval: EVERY_MS,
  });

export const needsQuery = queryOptions({
  queryKey: ["needs"],
  queryFn: ({ signal }) => get<Need[]>("/heliostat/needs", { signal }),
  refetchInterval: EVERY_MS,
});

/** What tells one cause from another, also after a new run has it. */
export const needKey = (need: Need) =>
  [need.kind, need.deployment_id ?? need.flow_name, need.work_queue ?? "", need.text].join("|");
