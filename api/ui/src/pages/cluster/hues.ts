/** The cells of a node, and the hue of each run: five hues in turn, by when the runs began. */

import type { ClusterNode, ClusterRun } from "@/data/cluster";

export const HUES = 5;

export type Cell = { kind: "run"; id: string } | { kind: "other" } | { kind: "free" };

/** Hue numbers from 1 of the runs that hold CPUs or GPUs, the earliest first. */
export function huesOf(runs: readonly ClusterRun[], nodes: readonly ClusterNode[]): Map<string, number> {
  const busy = new Set(nodes.flatMap((node) => node.workers.map((worker) => worker.run_id)));
  const shown = runs.filter((run) => busy.has(run.id));
  return new Map(shown.map((run, number) => [run.id, (number % HUES) + 1]));
}

/** A cell a CPU (or GPU): those of runs together, then work that is not told apart, then free ones. */
export function cellsOf(node: ClusterNode, what: "cpus" | "gpus"): Cell[] {
  const total = Math.round(node[what]);
  const used = what === "cpus" ? node.cpus_used : node.gpus_used;
  const byRun = new Map<string, number>();
  for (const worker of node.workers)
    if (worker.run_id) byRun.set(worker.run_id, (byRun.get(worker.run_id) ?? 0) + worker[what]);
  const cells: Cell[] = [];
  let told = 0;
  for (const [id, amount] of byRun) {
    told += amount;
    const until = Math.min(total, Math.max(Math.round(told), amount > 0 ? cells.length + 1 : cells.length));
    while (cells.length < until) cells.push({ kind: "run", id });
  }
  const busy = Math.min(total, Math.ceil(Math.max(used, told) - 1e-9));
  while (cells.length < busy) cells.push({ kind: "other" });
  while (cells.length < total) cells.push({ kind: "free" });
  return cells;
}
