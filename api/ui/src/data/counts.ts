/** The counts beside the places of the navigation. */

import { queryOptions, useQuery } from "@tanstack/react-query";
import { get, post } from "./client";
import type { Need } from "./overview";
import type { PoolView } from "./pools";

export type NavCount = { count: number; tone?: "hot" | "warn"; label: string };
export type NavCounts = Partial<
  Record<"needs" | "runs" | "upcoming" | "flows" | "deployments" | "automations" | "pools", NavCount>
>;

const RUNNING = { flow_runs: { state: { type: { any_: ["RUNNING", "PENDING", "CANCELLING", "PAUSED"] } } } };
const UPCOMING = { flow_runs: { state: { name: { any_: ["Scheduled"] } } } };

async function read(): Promise<NavCounts> {
  const [needs, runs, upcoming, flows, deployments, automations, pools] = await Promise.all([
    get<Need[]>("/heliostat/needs"),
    post<number>("/flow_runs/count", RUNNING),
    post<number>("/flow_runs/count", UPCOMING),
    post<number>("/flows/count"),
    post<number>("/deployments/count"),
    post<number>("/automations/count"),
    get<PoolView[]>("/heliostat/work_pools"),
  ]);
  const idle = pools.filter((pool) => pool.status === "NOT_READY" && pool.deployments > 0).length;
  const hot = needs.filter((need) => need.kind !== "paused").length;
  return {
    needs: { count: needs.length, tone: hot > 0 ? "hot" : undefined, label: `${needs.length} need you` },
    upcoming: { count: upcoming, label: `${upcoming} scheduled` },
    runs: { count: runs, label: `${runs} under way` },
    flows: { count: flows, label: `${flows} flows` },
    deployments: { count: deployments, label: `${deployments} deployments` },
    automations: { count: automations, label: `${automations} automations` },
    // A pool nobody sends runs to may stand still; of the others, those that cannot start any count.
    pools:
      idle > 0
        ? { count: idle, tone: "warn", label: `${idle} not ready` }
        : { count: pools.length, label: `${pools.length} work pools` },
  };
}

export const countsQuery = queryOptions({ queryKey: ["counts"], queryFn: read, refetchInterval: 15_000 });

export function useNavCounts(): NavCounts {
  return useQuery(countsQuery).data ?? {};
}
