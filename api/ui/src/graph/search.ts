/** Finding task runs: `[1187]`, `failed`, `node:cpu-2`, `tries:>1`, `took:>5s`, or a part of a name or an error. */

import { KIND_ORDER, type Kind } from "@/words/states";
import type { RunModel } from "./model";

type Test = (row: number) => boolean;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function compare(sign: string, a: number, b: number): boolean {
  if (sign === ">") return a > b;
  if (sign === "<") return a < b;
  return a === b;
}

function test(model: RunModel, word: string, now: number): Test {
  const item = /^\[(\d+)\]$/.exec(word);
  if (item) return (row) => model.index[row] === Number(item[1]);
  if ((KIND_ORDER as readonly string[]).includes(word)) return (row) => model.kind(row) === (word as Kind);
  const tries = /^tries:([<>]?)(\d+)$/.exec(word);
  if (tries) return (row) => compare(tries[1] ?? "", model.tries[row] ?? 0, Number(tries[2]));
  const took = /^took:([<>])(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(word);
  if (took) {
    const limit = Number(took[2]) * (UNITS[took[3] ?? "s"] ?? 1000);
    return (row) => compare(took[1] ?? ">", model.took(row, now), limit);
  }
  if (word.startsWith("node:")) {
    const node = word.slice(5);
    return (row) => (model.nodes[model.node[row] ?? -1] ?? "").toLowerCase().startsWith(node);
  }
  return (row) =>
    model.name(row).toLowerCase().includes(word) ||
    (model.messages.get(row)?.toLowerCase().includes(word) ?? false) ||
    model.stateName(row)[1].toLowerCase() === word;
}

/** The rows that fit all words, in the order of groups and items; null when nothing is asked. */
export function find(model: RunModel, query: string, now: number): number[] | null {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return null;
  const tests = words.map((word) => test(model, word, now));
  const found: number[] = [];
  for (const group of model.groups)
    for (const row of group.rows) if (tests.every((fits) => fits(row))) found.push(row);
  return found;
}
