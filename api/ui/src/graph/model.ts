/** The run as the views see it: task runs in typed columns, folded into groups, with edges in blocks. */

import { type Kind, KIND_ORDER, kindOf } from "@/words/states";
import type { WireGraph, WireRun } from "./wire";

export const ITEM = 0;
export const ALL = 1;

/** Items of one group that need items of another: one by one, or all of a span each of another span. */
export type Block = {
  kind: number;
  first: number;
  count: number;
  above: number;
  aboveFirst: number;
  aboveCount: number;
};

export type Group = {
  at: number;
  key: string;
  name: string;
  run: number;
  base: bigint | null;
  /** Task runs in the order of their items. */
  rows: number[];
  byIndex: Map<number, number>;
  blocks: Block[];
  counts: Partial<Record<Kind, number>>;
  /** Milliseconds after the run's start; Infinity and -Infinity while nothing has begun. */
  first: number;
  last: number;
  longest: number;
};

const WORST: ReadonlyMap<Kind, number> = new Map(KIND_ORDER.map((kind, at) => [kind, at]));

/** Of two kinds the one that asks for a look first. */
export function worse(a: Kind, b: Kind): Kind {
  return (WORST.get(a) ?? 99) <= (WORST.get(b) ?? 99) ? a : b;
}

export class RunModel {
  t0 = 0;
  cursor: string | null = null;
  runs: WireRun[] = [];
  groups: Group[] = [];
  count = 0;
  group = new Int32Array(64);
  index = new Int32Array(64);
  state = new Uint8Array(64);
  expected = new Float64Array(64);
  start = new Float64Array(64);
  end = new Float64Array(64);
  tries = new Uint16Array(64);
  node = new Int16Array(64);
  states: [string, string][] = [];
  kinds: Kind[] = [];
  nodes: string[] = [];
  labels = new Map<number, string>();
  messages = new Map<number, string>();
  /** Edges that no block says, from both ends. */
  readonly linksUp = new Map<number, number[]>();
  readonly linksDown = new Map<number, number[]>();
  /** Grows with each answer: what was computed from an earlier one is old. */
  version = 0;

  private readonly groupAt = new Map<string, number>();
  private readonly stateAt = new Map<string, number>();
  private readonly nodeAt = new Map<string, number>();
  private readonly rowById = new Map<string, number>();
  private readonly ids = new Map<number, string>();
  private readonly seenLinks = new Set<string>();

  /** Take in an answer: a whole graph or an increment. What came before stays. */
  apply(wire: WireGraph): void {
    this.t0 = this.count === 0 ? wire.t0 * 1000 : this.t0;
    const shift = wire.t0 * 1000 - this.t0; // a run that began meanwhile counts from its start
    this.cursor = wire.cursor;
    this.runs = wire.runs;
    const groups = wire.groups.map((each) => this.groupOf(wire, each));
    const states = wire.states.map(([type, name]) => this.stateOf(type, name));
    const nodes = wire.nodes.map((name) => number(this.nodeAt, this.nodes, name));
    const { columns } = wire;
    const known = this.count;
    const rows = columns.group.map((each, at) => {
      const row = this.rowOf(groups[each] as Group, columns.index[at] ?? null, columns.id[at] ?? null);
      this.state[row] = states[columns.state[at] ?? 0] ?? 0;
      this.expected[row] = (columns.expected[at] ?? NaN) + shift;
      this.start[row] = (columns.start[at] ?? NaN) + shift;
      this.end[row] = (columns.end[at] ?? NaN) + shift;
      this.tries[row] = columns.tries[at] ?? 0;
      this.node[row] = columns.node[at] === null ? -1 : (nodes[columns.node[at] ?? -1] ?? -1);
      return row;
    });
    for (const [at, label] of wire.labels) this.labels.set(rows[at] as number, label);
    for (const [at, message] of wire.messages) this.messages.set(rows[at] as number, message);
    this.addEdges(wire, groups, known);
    this.sum();
    this.version += 1;
  }

  kind(row: number): Kind {
    return this.kinds[this.state[row] ?? 0] ?? "pending";
  }

  stateName(row: number): [string, string] {
    return this.states[this.state[row] ?? 0] ?? ["PENDING", "Pending"];
  }

  groupFor(row: number): Group {
    return this.groups[this.group[row] ?? 0] as Group;
  }

  /** The task run's id with its dashes. */
  id(row: number): string {
    const own = this.ids.get(row);
    const { base } = this.groupFor(row);
    const hex = own ?? ((base ?? 0n) + BigInt(this.index[row] ?? 0)).toString(16).padStart(32, "0");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }

  name(row: number): string {
    const own = this.labels.get(row);
    if (own !== undefined) return own;
    const group = this.groupFor(row);
    return group.rows.length === 1 ? group.name : `${group.name}[${this.index[row]}]`;
  }

  /** Milliseconds at work; up to `now` for one that still is. NaN for one that has not begun. */
  took(row: number, now: number): number {
    const end = this.end[row] ?? NaN;
    const start = this.start[row] ?? NaN;
    if (!Number.isNaN(end)) return end - start;
    return this.kind(row) === "running" ? now - start : NaN;
  }

  /** The rows that a row needs. */
  above(row: number): number[] {
    const group = this.groupFor(row);
    const index = this.index[row] ?? 0;
    const found: number[] = [...(this.linksUp.get(row) ?? [])];
    for (const block of group.blocks) {
      if (index < block.first || index >= block.first + block.count) continue;
      const from = this.groups[block.above];
      const first = block.kind === ITEM ? block.aboveFirst + index - block.first : block.aboveFirst;
      const count = block.kind === ITEM ? 1 : block.aboveCount;
      for (let at = first; at < first + count; at += 1) {
        const found1 = from?.byIndex.get(at);
        if (found1 !== undefined) found.push(found1);
      }
    }
    return found;
  }

  /** The rows that need a row. */
  below(row: number): number[] {
    const own = this.group[row];
    const index = this.index[row] ?? 0;
    const found: number[] = [...(this.linksDown.get(row) ?? [])];
    for (const group of this.groups)
      for (const block of group.blocks) {
        if (block.above !== own || index < block.aboveFirst || index >= block.aboveFirst + block.aboveCount)
          continue;
        const first = block.kind === ITEM ? block.first + index - block.aboveFirst : block.first;
        const count = block.kind === ITEM ? 1 : block.count;
        for (let at = first; at < first + count; at += 1) {
          const down = group.byIndex.get(at);
          if (down !== undefined) found.push(down);
        }
      }
    return found;
  }

  private groupOf(wire: WireGraph, given: WireGraph["groups"][number]): Group {
    const key = `${wire.runs[given.run]?.id ?? ""} ${given.key}`;
    let at = this.groupAt.get(key);
    if (at === undefined) {
      at = this.groups.length;
      this.groupAt.set(key, at);
      this.groups.push({
        at,
        key,
        name: given.name,
        run: given.run,
        base: null,
        rows: [],
        byIndex: new Map(),
        blocks: [],
        counts: {},
        first: Infinity,
        last: -Infinity,
        longest: 0,
      });
    }
    const group = this.groups[at] as Group;
    group.run = given.run;
    if (given.base !== undefined && group.base === null) group.base = BigInt(`0x${given.base}`);
    return group;
  }

  private stateOf(type: string, name: string): number {
    const before = this.states.length;
    const at = number(this.stateAt, this.states, [type, name], `${type}|${name}`);
    if (this.states.length > before) this.kinds.push(kindOf(type, name));
    return at;
  }

  private rowOf(group: Group, index: number | null, id: string | null): number {
    const known = id === null ? group.byIndex.get(index ?? 0) : this.rowById.get(id);
    if (known !== undefined) return known;
    if (this.count === this.group.length) this.grow();
    const row = this.count;
    this.count += 1;
    const place = index ?? group.rows.length;
    this.group[row] = group.at;
    this.index[row] = place;
    if (id !== null) {
      this.ids.set(row, id);
      this.rowById.set(id, row);
    }
    const last = group.rows[group.rows.length - 1];
    group.rows.push(row);
    if (last !== undefined && (this.index[last] ?? 0) > place)
      group.rows.sort((a, b) => (this.index[a] ?? 0) - (this.index[b] ?? 0));
    if (!group.byIndex.has(place)) group.byIndex.set(place, row);
    return row;
  }

  rowOfId(hex: string): number | undefined {
    const known = this.rowById.get(hex);
    if (known !== undefined) return known;
    const number = BigInt(`0x${hex}`);
    for (const group of this.groups) {
      if (group.base === null || number < group.base || number - group.base > 0xffffffffn) continue;
      return group.byIndex.get(Number(number - group.base));
    }
    return undefined;
  }

  /** Edges of rows that were known before came with an earlier answer. */
  private addEdges(wire: WireGraph, groups: readonly Group[], known: number): void {
    for (const [kind, to, first, count, from, aboveFirst, aboveCount] of wire.edges) {
      const group = groups[to] as Group;
      const above = (groups[from] as Group).at;
      for (let at = first; at < first + count; at += 1) {
        if ((group.byIndex.get(at) ?? -1) < known) continue;
        const start = at;
        while (at + 1 < first + count && (group.byIndex.get(at + 1) ?? -1) >= known) at += 1;
        const skipped = kind === ITEM ? start - first : 0;
        const length = at + 1 - start;
        const block = {
          kind,
          first: start,
          count: length,
          above,
          aboveFirst: aboveFirst + skipped,
          aboveCount: kind === ITEM ? length : aboveCount,
        };
        if (!lengthened(group.blocks[group.blocks.length - 1], block)) group.blocks.push(block);
      }
    }
    for (const [to, from] of wire.links) {
      const key = `${to} ${from}`;
      if (this.seenLinks.has(key)) continue;
      const needing = this.rowOfId(to);
      const needed = this.rowOfId(from);
      if (needing === undefined || needed === undefined) continue;
      this.seenLinks.add(key);
      put(this.linksUp, needing, needed);
      put(this.linksDown, needed, needing);
    }
  }

  private grow(): void {
    const size = this.group.length * 2;
    this.group = longer(this.group, new Int32Array(size));
    this.index = longer(this.index, new Int32Array(size));
    this.state = longer(this.state, new Uint8Array(size));
    this.expected = longer(this.expected, new Float64Array(size));
    this.start = longer(this.start, new Float64Array(size));
    this.end = longer(this.end, new Float64Array(size));
    this.tries = longer(this.tries, new Uint16Array(size));
    this.node = longer(this.node, new Int16Array(size));
  }

  /** Counts and times of each group, and how deep it lies. */
  private sum(): void {
    for (const group of this.groups) {
      group.counts = {};
      group.first = Infinity;
      group.last = -Infinity;
      group.longest = 0;
      for (const row of group.rows) {
        const kind = this.kind(row);
        group.counts[kind] = (group.counts[kind] ?? 0) + 1;
        const start = this.start[row] ?? NaN;
        const end = this.end[row] ?? NaN;
        if (start < group.first) group.first = start;
        if (end > group.last) group.last = end;
        if (end - start > group.longest) group.longest = end - start;
      }
    }
  }
}

function number<T>(known: Map<string, number>, list: T[], value: T, key = String(value)): number {
  let at = known.get(key);
  if (at === undefined) {
    at = list.length;
    known.set(key, at);
    list.push(value);
  }
  return at;
}

function longer<T extends { set(other: T): void }>(old: T, fresh: T): T {
  fresh.set(old);
  return fresh;
}

function put(known: Map<number, number[]>, key: number, value: number): void {
  const list = known.get(key);
  if (list) list.push(value);
  else known.set(key, [value]);
}

/** Whether a block goes on where another ends; then that one is made longer. */
function lengthened(last: Block | undefined, next: Block): boolean {
  if (!last || last.kind !== next.kind || last.above !== next.above) return false;
  if (last.first + last.count !== next.first) return false;
  if (next.kind === ITEM) {
    if (last.aboveFirst + last.count !== next.aboveFirst) return false;
    last.aboveCount += next.count;
  } else if (last.aboveFirst !== next.aboveFirst || last.aboveCount !== next.aboveCount) return false;
  last.count += next.count;
  return true;
}
