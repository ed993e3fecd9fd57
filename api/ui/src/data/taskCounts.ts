/** How many task runs of a flow run are in which state. */

import { queryOptions } from "@tanstack/react-query";
import { KIND_ORDER, type Kind, kindOf } from "@/words/states";
import { post } from "./client";

/** By state type: { COMPLETED: 12, FAILED: 1 }. */
export type TaskCounts = Record<string, number>;

/** By the id of the flow run; at most 200 ids. */
export const taskCountsQuery = (flowRunIds: readonly string[]) =>
  queryOptions({
    queryKey: ["task_run_counts", [...flowRunIds].sort()],
    queryFn: ({ signal }) =>
      post<Record<string, TaskCounts>>(
        "/heliostat/task_run_counts",
        { flow_run_ids: flowRunIds },
        { signal },
      ),
    enabled: flowRunIds.length > 0,
  });

/** The same by kind, as bars take them. */
export function byKind(counts: TaskCounts): Partial<Record<Kind, number>> {
  const found: Partial<Record<Kind, number>> = {};
  for (const [type, count] of Object.entries(counts)) {
    const kind = kindOf(type);
    found[kind] = (found[kind] ?? 0) + count;
  }
  return found;
}

export function totalOf(counts: TaskCounts): number {
  return Object.values(counts).reduce((sum, each) => sum + each, 0);
}

/** How many have ended, whichever way. */
export function endedOf(counts: TaskCounts): number {
  const kinds = byKind(counts);
  return KIND_ORDER.slice(0, 4).reduce((sum, kind) => sum + (kinds[kind] ?? 0), 0);
}
