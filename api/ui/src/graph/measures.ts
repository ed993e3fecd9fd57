/** What is counted over the task runs of one group: how many were at work when, how long they took, where. */

import type { Group, RunModel } from "./model";

export type Measures = {
  version: number;
  starts: Float64Array;
  ends: Float64Array;
  /** Starts of those that still run. */
  open: Float64Array;
  lengths: Float64Array;
  p50: number;
  p95: number;
};

const kept = new WeakMap<Group, Measures>();

export function measuresOf(model: RunModel, group: Group): Measures {
  const old = kept.get(group);
  if (old?.version === model.version) return old;
  const size = group.rows.length;
  const starts = new Float64Array(size);
  const ends = new Float64Array(size);
  const open = new Float64Array(size);
  const lengths = new Float64Array(size);
  let started = 0;
  let ended = 0;
  let opened = 0;
  for (const row of group.rows) {
    const start = model.start[row] as number;
    if (Number.isNaN(start)) continue;
    const end = model.end[row] as number;
    if (!Number.isNaN(end)) {
      lengths[ended] = end - start;
      ends[ended++] = end;
    } else if (model.kind(row) === "running") open[opened++] = start;
    else continue; // it waits for its next try
    starts[started++] = start;
  }
  const fresh = {
    version: model.version,
    starts: starts.subarray(0, started).sort(),
    ends: ends.subarray(0, ended).sort(),
    open: open.subarray(0, opened).sort(),
    lengths: lengths.subarray(0, ended).sort(),
    p50: NaN,
    p95: NaN,
  };
  fresh.p50 = fresh.lengths[ended >> 1] ?? NaN;
  fresh.p95 = fresh.lengths[Math.floor(ended * 0.95)] ?? NaN;
  kept.set(group, fresh);
  return fresh;
}

/** How many values are at most `value`; they are sorted. */
export function upTo(values: Float64Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The most task runs that one group ever had at work at once. */
export function peakOf({ starts, ends }: Measures): number {
  let most = 0;
  let done = 0;
  for (let at = 0; at < starts.length; at += 1) {
    while (done < ends.length && (ends[done] as number) <= (starts[at] as number)) done += 1;
    most = Math.max(most, at + 1 - done);
  }
  return most;
}

export type Slots = {
  version: number;
  slot: Map<number, number>;
  nodes: { name: string; first: number; count: number }[];
  count: number;
};

const keptSlots = new WeakMap<Group, Slots>();

/** A row of the unfolded lane for each task run: those of one node together, each row free again when its task ends. */
export function slotsOf(model: RunModel, group: Group): Slots {
  const old = keptSlots.get(group);
  if (old?.version === model.version) return old;
  const byNode = new Map<number, number[]>();
  for (const row of group.rows) {
    if (Number.isNaN(model.start[row] as number)) continue;
    const node = model.node[row] as number;
    const list = byNode.get(node);
    if (list) list.push(row);
    else byNode.set(node, [row]);
  }
  const slot = new Map<number, number>();
  const nodes: Slots["nodes"] = [];
  let base = 0;
  const name = (node: number) => model.nodes[node] ?? "";
  for (const node of [...byNode.keys()].sort((a, b) =>
    name(a).localeCompare(name(b), "en", { numeric: true }),
  )) {
    const rows = byNode.get(node) as number[];
    rows.sort((a, b) => (model.start[a] as number) - (model.start[b] as number));
    const free: number[] = [];
    for (const row of rows) {
      const start = model.start[row] as number;
      const end = model.end[row] as number;
      let at = free.findIndex((until) => until <= start);
      if (at < 0) at = free.length;
      free[at] = Number.isNaN(end) ? Infinity : end;
      slot.set(row, base + at);
    }
    nodes.push({ name: name(node), first: base, count: free.length });
    base += free.length;
  }
  const fresh = { version: model.version, slot, nodes, count: base };
  keptSlots.set(group, fresh);
  return fresh;
}

/** When the rest of a group will be done at the pace of late; null while there is none or no pace yet. */
export function forecastOf(
  model: RunModel,
  group: Group,
  now: number,
): { left: number; until: number } | null {
  const { counts } = group;
  const left = (counts.pending ?? 0) + (counts.scheduled ?? 0) + (counts.late ?? 0);
  const { ends, open, p50 } = measuresOf(model, group);
  if (left === 0 || ends.length === 0 || open.length === 0) return null;
  const span = Math.max(1_000, Math.min(60_000, now - group.first));
  const pace = Math.max((ends.length - upTo(ends, now - span)) / span, open.length / Math.max(1, p50) / 4);
  return pace > 0 ? { left, until: now + (left + open.length) / pace } : null;
}

export type Bar = { from: number; to: number; done: number; failed: number };

/** Durations in steps of equal ratio. */
export function histogramOf(model: RunModel, group: Group, bars = 20): Bar[] {
  const { lengths } = measuresOf(model, group);
  if (lengths.length === 0) return [];
  const low = Math.max(1, lengths[0] as number);
  const high = Math.max(low * 1.2, lengths[lengths.length - 1] as number);
  const ratio = Math.log(high / low) / bars;
  const found = Array.from({ length: bars }, (_, at) => ({
    from: low * Math.exp(ratio * at),
    to: low * Math.exp(ratio * (at + 1)),
    done: 0,
    failed: 0,
  }));
  for (const row of group.rows) {
    const took = (model.end[row] as number) - (model.start[row] as number);
    if (Number.isNaN(took)) continue;
    const at = Math.max(0, Math.min(bars - 1, Math.floor(Math.log(Math.max(1, took) / low) / ratio)));
    const bar = found[at] as Bar;
    const kind = model.kind(row);
    if (kind === "failed" || kind === "crashed") bar.failed += 1;
    else bar.done += 1;
  }
  return found;
}

export type Cause = { text: string; rows: number[] };

/** Failures by what they say, numbers and ids left out of the comparison. */
export function causesOf(model: RunModel, group: Group): Cause[] {
  const found = new Map<string, Cause>();
  for (const row of group.rows) {
    const kind = model.kind(row);
    if (kind !== "failed" && kind !== "crashed") continue;
    const text = (model.messages.get(row) ?? model.stateName(row)[1]).split("\n")[0] as string;
    const key = text.replace(/0x[0-9a-f]+|[0-9a-f-]{32,}|\d+/gi, "#");
    const known = found.get(key);
    if (known) known.rows.push(row);
    else found.set(key, { text, rows: [row] });
  }
  return [...found.values()].sort((a, b) => b.rows.length - a.rows.length);
}

export type Place = { name: string; count: number; busy: number };

/** By node: how many ran there, and for how long in all. */
export function placesOf(model: RunModel, group: Group, now: number): Place[] {
  const found = new Map<number, Place>();
  for (const row of group.rows) {
    const node = model.node[row] as number;
    if (node < 0) continue;
    let place = found.get(node);
    if (!place) found.set(node, (place = { name: model.nodes[node] ?? "", count: 0, busy: 0 }));
    place.count += 1;
    const took = model.took(row, now);
    if (!Number.isNaN(took)) place.busy += took;
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

export function slowestOf(model: RunModel, group: Group, now: number, most = 5): number[] {
  const slow: number[] = [];
  for (const row of group.rows) {
    const took = model.took(row, now);
    if (Number.isNaN(took)) continue;
    if (slow.length === most && took <= model.took(slow[most - 1] as number, now)) continue;
    slow.push(row);
    slow.sort((a, b) => model.took(b, now) - model.took(a, now));
    slow.length = Math.min(slow.length, most);
  }
  return slow;
}
