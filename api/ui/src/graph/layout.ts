/** Places of the dependency view's cards: layers from left to right, in each the order that crosses least. */

import type { GroupEdge, Shape } from "./relations";

/** What the layout needs of a run: plain, so that it can go to a worker. */
export type LayoutInput = {
  chains: number[][];
  /** By group. */
  counts: number[];
  names: string[];
  runs: number[];
  runTitles: (string | null)[];
  edges: GroupEdge[];
};

export type Stage = { group: number; columns: number; cell: number; top: number; height: number };
export type Card = {
  at: number;
  stages: Stage[];
  title: string | null;
  note: string | null;
  isFlow: boolean;
  layer: number;
  x: number;
  y: number;
  width: number;
  height: number;
};
export type Band = { from: number; fromStage: number; to: number; toStage: number; shape: Shape };
export type Layout = { cards: Card[]; bands: Band[]; width: number; height: number };

export const HEAD = 24;
export const PAD = 10;
const GAP_X = 84;
const GAP_Y = 30;
const LEAST = 96;
const SWEEPS = 6;
/** Items that a mosaic shows one by one; more share cells. */
export const MOST_CELLS = 6_000;

/** Columns and pitch of a mosaic: large cells for few, small ones for many. */
export function mosaic(count: number): { columns: number; cell: number } {
  if (count <= 20) return { columns: Math.max(1, Math.min(count, 8)), cell: 12 };
  if (count <= 60) return { columns: 10, cell: 9 };
  if (count <= 300) return { columns: 20, cell: 6 };
  if (count <= 1_000) return { columns: Math.ceil(Math.sqrt(count * 3.4)), cell: 5 };
  const shown = Math.min(count, MOST_CELLS);
  return { columns: Math.ceil(Math.sqrt(shown * 4.4)), cell: shown > 3_000 ? 3.2 : 4 };
}

export const perCell = (count: number) => Math.max(1, Math.ceil(count / MOST_CELLS));

export function layOut(input: LayoutInput): Layout {
  const cards = cardsOf(input);
  const of = new Map<number, [number, number]>();
  for (const card of cards) card.stages.forEach((stage, at) => of.set(stage.group, [card.at, at]));
  const bands: Band[] = [];
  for (const edge of input.edges) {
    const from = of.get(edge.from);
    const to = of.get(edge.to);
    if (!from || !to || from[0] === to[0]) continue;
    bands.push({ from: from[0], fromStage: from[1], to: to[0], toStage: to[1], shape: edge.shape });
  }
  layer(cards, bands);
  return { cards, bands, ...place(cards, bands) };
}

/** A card a chain; those of a small sub-flow stand in one card of its own. */
function cardsOf(input: LayoutInput): Card[] {
  const bySubFlow = new Map<number, number[][]>();
  for (const chain of input.chains) {
    const run = input.runs[chain[0] as number] as number;
    if (run > 0) bySubFlow.set(run, [...(bySubFlow.get(run) ?? []), chain]);
  }
  const cards: Card[] = [];
  const told = new Set<number>();
  for (const chain of input.chains) {
    const run = input.runs[chain[0] as number] as number;
    const inside = bySubFlow.get(run) ?? [];
    const isSmall = run > 0 && inside.flat().length <= 6;
    if (isSmall && told.has(run)) continue;
    told.add(run);
    const groups = isSmall ? inside.flat() : chain;
    cards.push(card(input, cards.length, groups, run > 0 ? (input.runTitles[run] ?? null) : null));
  }
  return cards;
}

function card(input: LayoutInput, at: number, groups: readonly number[], flow: string | null): Card {
  const isTitled = groups.length > 1 || flow !== null;
  let top = isTitled ? HEAD : 0;
  let width = LEAST;
  const stages = groups.map((group) => {
    const count = input.counts[group] as number;
    const { columns, cell } = mosaic(count);
    const rows = Math.ceil(Math.ceil(count / perCell(count)) / columns);
    const stage = { group, columns, cell, top, height: HEAD + rows * cell + PAD };
    top += stage.height;
    const words = Math.min(34, (input.names[group] as string).length) * 9 + (count > 1 ? 66 : 0) + 2 * PAD;
    width = Math.max(width, columns * cell + 2 * PAD, words);
    return stage;
  });
  const note = flow !== null ? "sub-flow" : isTitled ? `${groups.length} maps` : null;
  const title = flow ?? (isTitled ? "item by item" : null);
  const card = { at, stages, title, note, isFlow: flow !== null, layer: 0, x: 0, y: 0, width, height: top };
  return card;
}

function layer(cards: readonly Card[], bands: readonly Band[]): void {
  for (let round = 0; round < cards.length; round += 1) {
    let changed = false;
    for (const band of bands) {
      const from = cards[band.from] as Card;
      const to = cards[band.to] as Card;
      if (to.layer >= from.layer + 1 || from.layer + 1 >= cards.length) continue;
      to.layer = from.layer + 1;
      changed = true;
    }
    if (!changed) break;
  }
  // What nothing needs to wait for stands close to what needs it.
  for (let round = 0; round < 2; round += 1)
    for (const card of cards) {
      const needing = bands
        .filter((band) => band.from === card.at)
        .map((band) => (cards[band.to] as Card).layer);
      if (needing.length > 0 && !bands.some((band) => band.to === card.at))
        card.layer = Math.max(card.layer, Math.min(...needing) - 1);
    }
}

function place(cards: readonly Card[], bands: readonly Band[]): { width: number; height: number } {
  const layers: Card[][] = [];
  for (const each of cards) (layers[each.layer] ??= []).push(each);
  const columns = layers.filter((column) => column !== undefined);
  for (const column of columns) stack(column);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isDown = sweep % 2 === 0;
    for (const column of isDown ? columns : [...columns].reverse()) {
      const wish = new Map(column.map((each) => [each, wished(each, cards, bands, isDown)]));
      column.sort((a, b) => (wish.get(a) as number) - (wish.get(b) as number) || a.at - b.at);
      stack(column);
      settle(column, wish);
    }
  }
  let x = 0;
  for (const column of columns) {
    const widest = Math.max(...column.map((each) => each.width));
    for (const each of column) each.x = x + (widest - each.width) / 2;
    x += widest + GAP_X;
  }
  const top = Math.min(0, ...cards.map((each) => each.y));
  for (const each of cards) each.y -= top;
  return { width: Math.max(0, x - GAP_X), height: Math.max(0, ...cards.map((each) => each.y + each.height)) };
}

/** The middle of what a card is tied to; bands of one stage pull at that stage. */
function wished(card: Card, cards: readonly Card[], bands: readonly Band[], isDown: boolean): number {
  let sum = 0;
  let number = 0;
  for (const band of bands) {
    if ((isDown ? band.to : band.from) !== card.at) continue;
    const other = cards[isDown ? band.from : band.to] as Card;
    const stage = other.stages[isDown ? band.fromStage : band.toStage] as Stage;
    const own = card.stages[isDown ? band.toStage : band.fromStage] as Stage;
    sum += other.y + stage.top + stage.height / 2 - own.top - own.height / 2 + card.height / 2;
    number += 1;
  }
  return number > 0 ? sum / number : card.y + card.height / 2;
}

function stack(column: readonly Card[]): void {
  let y = -(column.reduce((sum, each) => sum + each.height + GAP_Y, -GAP_Y) / 2);
  for (const each of column) {
    each.y = y;
    y += each.height + GAP_Y;
  }
}

/** Move the column as a whole, then each card into free room, towards where it wishes to be. */
function settle(column: readonly Card[], wish: ReadonlyMap<Card, number>): void {
  const off = (each: Card) => (wish.get(each) as number) - (each.y + each.height / 2);
  const shift = column.reduce((sum, each) => sum + off(each), 0) / column.length;
  for (const each of column) each.y += shift;
  for (const [at, each] of column.entries()) {
    const above = column[at - 1];
    const below = column[at + 1];
    const low = above ? above.y + above.height + GAP_Y : -Infinity;
    const high = below ? below.y - GAP_Y - each.height : Infinity;
    each.y = Math.max(low, Math.min(high, each.y + off(each)));
  }
}
