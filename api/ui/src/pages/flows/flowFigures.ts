/** What the newest runs of a flow say of it. */

import type { Recent } from "@/data/deployments";
import { isBad, pastRuns } from "../deployments/pastRuns";

export type FlowFigures = {
  ended: number;
  bad: number;
  /** The median length in each of a few equal parts of the runs, the oldest first. */
  trend: number[];
  median: number | null;
};

const PARTS = 10;

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[half] ?? null)
    : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}

export function figuresOf(recent: Recent | undefined): FlowFigures {
  const runs = pastRuns(recent);
  const ended = runs.filter((run) => run.seconds !== null && run.type !== "CANCELLED");
  const lengths = ended.filter((run) => run.type === "COMPLETED").map((run) => run.seconds ?? 0);
  const size = Math.max(1, Math.ceil(lengths.length / PARTS));
  const trend: number[] = [];
  for (let at = 0; at < lengths.length; at += size) trend.push(median(lengths.slice(at, at + size)) ?? 0);
  return {
    ended: ended.length,
    bad: ended.filter((run) => isBad(run.type)).length,
    trend,
    median: median(lengths),
  };
}
