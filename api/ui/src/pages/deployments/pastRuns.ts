import type { Recent } from "@/data/deployments";
import type { PastRun } from "@/parts/charts";

/** Recent runs as the small charts take them. */
export function pastRuns(recent: Recent | undefined): PastRun[] {
  return (recent?.runs ?? []).map((run) => ({
    id: run.id,
    name: run.name,
    type: run.state_type,
    state: run.state_name,
    seconds: run.start && run.end ? (Date.parse(run.end) - Date.parse(run.start)) / 1000 : null,
  }));
}

export const isBad = (type: string | null) => type === "FAILED" || type === "CRASHED";
