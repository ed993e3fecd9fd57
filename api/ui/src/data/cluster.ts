/** The Ray cluster as a server's keeper last saw it. */

import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";

export type BusyProcess = { pid: number; cpus: number; gpus: number; run_id: string | null };

export type ClusterNode = {
  id: string;
  name: string;
  address: string;
  is_head: boolean;
  started: number | null;
  cpus: number;
  cpus_used: number;
  gpus: number;
  gpus_used: number;
  accelerator: string | null;
  memory: number;
  memory_used: number | null;
  memory_set_aside: number;
  store: number;
  store_used: number;
  spilled: number;
  workers: BusyProcess[];
};

export type ControlActor = {
  name: string;
  state: string;
  node_id: string | null;
  pid: number | null;
  restarts: number;
  started: number | null;
};

export type Supervisor = {
  name: string;
  node: string;
  node_id: string;
  pid: number;
  isolation: string;
  runs: number;
  active: number;
  memory_bytes: number;
  run_ids: string[];
};

export type News = { at: number; kind: string; name: string; text: string };

export type Picture = {
  ray_version: string;
  address: string | null;
  dashboard: string | null;
  is_local: boolean;
  namespace: string | null;
  others: string[];
  nodes: ClusterNode[];
  actors: ControlActor[];
  supervisors: Supervisor[];
  news: News[];
};

export type ClusterRun = {
  id: string;
  name: string;
  flow_name: string;
  state_type: string;
  state_name: string;
  start_time: string | null;
  epoch: number | null;
  lease_until: string | null;
  host: string | null;
  pid: number | null;
  workers: number;
};

export type Loss = { at: string; run_id: string; run_name: string; flow_name: string; reason: string };

export type Cluster = {
  keeper?: string;
  is_up: boolean;
  problem: string | null;
  at?: string;
  seen?: string | null;
  picture: Picture | null;
  runs: ClusterRun[];
  losses: Loss[];
  keepers: { keeper: string; is_up: boolean; seen: string | null; address: string | null }[];
};

export const clusterQuery = (keeper = "", everyMs = 4_000) =>
  queryOptions({
    queryKey: ["cluster", keeper],
    queryFn: ({ signal }) =>
      get<Cluster>("/heliostat/cluster", { query: { keeper: keeper || undefined }, signal }),
    refetchInterval: everyMs,
  });

/** The same without runs and losses: cheap enough for every page. */
export const clusterBriefQuery = queryOptions({
  queryKey: ["cluster", "", "brief"],
  queryFn: ({ signal }) => get<Cluster>("/heliostat/cluster", { query: { with_runs: false }, signal }),
  refetchInterval: 10_000,
});

export type Totals = Record<
  "cpus" | "cpus_used" | "gpus" | "gpus_used" | "memory" | "memory_used" | "store" | "store_used" | "spilled",
  number
>;

export function totalsOf(nodes: readonly ClusterNode[]): Totals {
  const sum = (of: (node: ClusterNode) => number) => nodes.reduce((total, node) => total + of(node), 0);
  return {
    cpus: sum((node) => node.cpus),
    cpus_used: sum((node) => node.cpus_used),
    gpus: sum((node) => node.gpus),
    gpus_used: sum((node) => node.gpus_used),
    memory: sum((node) => node.memory),
    memory_used: sum((node) => node.memory_used ?? node.memory_set_aside),
    store: sum((node) => node.store),
    store_used: sum((node) => node.store_used),
    spilled: sum((node) => node.spilled),
  };
}
