/** How groups depend on each other, and which of them are maps item by item over the same list. */

import { ITEM, type Group, type RunModel } from "./model";

/** item: each of one for each of the other; out: one for all; in: all for one; block: spans; all: all for all. */
export type Shape = "item" | "out" | "in" | "block" | "all" | "within";
export type GroupEdge = { from: number; to: number; shape: Shape };

export type Relations = {
  edges: GroupEdge[];
  /** Longest way from a group that needs none. */
  depth: Int32Array;
  /** Groups in the order of what comes first, those of a chain behind each other. */
  chains: number[][];
};

type Sum = {
  item: number;
  aligned: number;
  blocks: number;
  spans: Set<number>;
  above: number;
  covered: number;
};

function edgesOf(model: RunModel): GroupEdge[] {
  const found: GroupEdge[] = [];
  const seen = new Map<number, GroupEdge>();
  const width = model.groups.length + 1;
  const add = (from: number, to: number, shape: Shape) => {
    if (from === to || seen.has(from * width + to)) return;
    const edge = { from, to, shape };
    seen.set(from * width + to, edge);
    found.push(edge);
  };
  for (const group of model.groups) {
    const sums = new Map<number, Sum>();
    for (const block of group.blocks) {
      let sum = sums.get(block.above);
      if (!sum)
        sums.set(
          block.above,
          (sum = { item: 0, aligned: 0, blocks: 0, spans: new Set(), above: 0, covered: 0 }),
        );
      sum.blocks += 1;
      sum.covered += block.count;
      if (block.kind === ITEM) {
        sum.item += block.count;
        if (block.first === block.aboveFirst) sum.aligned += block.count;
      } else {
        sum.spans.add(block.aboveFirst);
        sum.above = Math.max(sum.above, block.aboveCount);
      }
    }
    for (const [above, sum] of sums) add(above, group.at, shapeOf(model.groups[above] as Group, group, sum));
  }
  for (const [needing, needed] of model.linksUp)
    for (const row of needed) add(model.group[row] as number, model.group[needing] as number, "all");
  for (const [at, run] of model.runs.entries()) {
    const stands = run.parent === null ? undefined : model.rowOfId(run.parent);
    if (stands === undefined) continue;
    for (const group of model.groups)
      if (group.run === at && group.blocks.length === 0)
        add(model.group[stands] as number, group.at, "within");
  }
  return found;
}

function shapeOf(above: Group, group: Group, sum: Sum): Shape {
  if (above.rows.length === 1) return group.rows.length === 1 ? "item" : "out";
  if (sum.item > 1 && sum.item >= sum.covered * 0.5) return "item";
  if (group.rows.length === 1) return "in";
  return sum.spans.size > 1 ? "block" : "all";
}

function isAligned(group: Group, above: number): boolean {
  let aligned = 0;
  for (const block of group.blocks)
    if (block.above === above && block.kind === ITEM && block.first === block.aboveFirst)
      aligned += block.count;
  return aligned >= group.rows.length * 0.5;
}

function depths(count: number, edges: readonly GroupEdge[]): Int32Array {
  const depth = new Int32Array(count);
  for (let round = 0; round < count; round += 1) {
    let changed = false;
    for (const { from, to } of edges) {
      const next = (depth[from] as number) + 1;
      if ((depth[to] as number) >= next || next >= count) continue;
      depth[to] = next;
      changed = true;
    }
    if (!changed) break;
  }
  return depth;
}

/** A chain goes on with the one group that is item by item over it, and over nothing else in this way. */
function chainsOf(model: RunModel, edges: readonly GroupEdge[], depth: Int32Array): number[][] {
  const next = new Map<number, number>();
  const taken = new Set<number>();
  const ordered = [...edges].sort((a, b) => (depth[b.from] as number) - (depth[a.from] as number));
  for (const { from, to, shape } of ordered) {
    const above = model.groups[from] as Group;
    const group = model.groups[to] as Group;
    if (shape !== "item" || group.rows.length < 2 || above.run !== group.run) continue;
    if (above.rows.length < group.rows.length || next.has(from) || taken.has(to) || !isAligned(group, from))
      continue;
    next.set(from, to);
    taken.add(to);
  }
  const heads = model.groups.filter((group) => !taken.has(group.at)).map((group) => group.at);
  const first = (at: number) => (model.groups[at] as Group).first;
  heads.sort((a, b) => (depth[a] as number) - (depth[b] as number) || before(first(a), first(b)) || a - b);
  return heads.map((head) => {
    const chain = [head];
    for (let at = next.get(head); at !== undefined; at = next.get(at)) chain.push(at);
    return chain;
  });
}

const before = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);

export function relate(model: RunModel): Relations {
  const edges = edgesOf(model);
  const depth = depths(model.groups.length, edges);
  return { edges, depth, chains: chainsOf(model, edges, depth) };
}
