/** The counts beside the places of the navigation. */

import { queryOptions, useQuery } from "@tanstack/react-query";
import { post } from "./client";

export type NavCount = { count: number; tone?: "hot" | "warn"; label: string };
export type NavCounts = Partial<
  Record<"needs" | "runs" | "upcoming" | "flows" | "deployments" | "automations" | "pools", NavCount>
>;

const RUNNING = { flow_runs: { state: { type: { any_: ["RUNNING", "PENDING", "CANCELLING", "PAUSED"] } } } };

async function read(): Promise<NavCounts> {
  const [runs, flows, deployments, automations] = await Promise.all([
    post<number>("/flow_runs/count", RUNNING),
    post<number>("/flows/count"),
    post<number>("/deployments/count"),
    post<number>("/automations/count"),
  ]);
  return {
    runs: { count: runs, label: `${runs} under way` },
    flows: { count: flows, label: `${flows} flows` },
    deployments: { count: deployments, label: `${deployments} deployments` },
    automations: { count: automations, label: `${automations} automations` },
  };
}

export const countsQuery = queryOptions({ queryKey: ["counts"], queryFn: read, refetchInterval: 15_000 });

export function useNavCounts(): NavCounts {
  return useQuery(countsQuery).data ?? {};
}
