/** The chain of task runs that the run's length follows from: each waited for the one before it. */

import type { RunModel } from "./model";

/** From the first to the last; empty while nothing has begun. */
export function criticalPath(model: RunModel, now: number): number[] {
  let at = -1;
  let latest = -Infinity;
  for (let row = 0; row < model.count; row += 1) {
    const end = reached(model, row, now);
    if (end > latest) {
      latest = end;
      at = row;
    }
  }
  const path: number[] = [];
  const seen = new Set<number>();
  while (at >= 0 && !seen.has(at)) {
    seen.add(at);
    path.push(at);
    let next = -1;
    let end = -Infinity;
    for (const above of model.above(at)) {
      const reach = reached(model, above, now);
      if (reach > end) {
        end = reach;
        next = above;
      }
    }
    at = next;
  }
  return path.reverse();
}

function reached(model: RunModel, row: number, now: number): number {
  const end = model.end[row] ?? NaN;
  if (!Number.isNaN(end)) return end;
  return model.kind(row) === "running" ? now : -Infinity;
}
