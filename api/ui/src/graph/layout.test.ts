import { describe, expect, it } from "vitest";
import { etl } from "./fixture";
import { type LayoutInput, layOut, mosaic, MOST_CELLS, perCell } from "./layout";
import { causesOf, histogramOf, measuresOf, peakOf, slotsOf, upTo } from "./measures";
import { relate } from "./relations";
import { inputOf } from "./useLayout";

describe("the layout of cards", () => {
  it("folds a chain into one card with a row a stage, and goes from left to right", () => {
    const model = etl(30);
    const { cards, bands } = layOut(inputOf(model, relate(model)));
    expect(cards.map((card) => card.stages.map((stage) => stage.group))).toEqual([[0], [1, 2], [3]]);
    expect(cards.map((card) => card.layer)).toEqual([0, 1, 2]);
    expect(cards.every((card, at) => at === 0 || card.x > (cards[at - 1]?.x ?? 0))).toBe(true);
    expect(bands.map((band) => band.shape)).toEqual(["out", "in"]);
  });

  it("lets no two cards of a layer overlap", () => {
    const groups = 300;
    const input: LayoutInput = {
      chains: Array.from({ length: groups }, (_, at) => [at]),
      counts: Array.from({ length: groups }, (_, at) => 1 + (at % 50)),
      names: Array.from({ length: groups }, (_, at) => `task_${at}`),
      runs: new Array<number>(groups).fill(0),
      runTitles: [null],
      edges: Array.from({ length: groups - 10 }, (_, at) => ({
        from: at,
        to: at + 10 - (at % 3),
        shape: "all",
      })),
    };
    const { cards } = layOut(input);
    for (const a of cards)
      for (const b of cards)
        if (a.at < b.at && a.layer === b.layer)
          expect(a.y + a.height <= b.y + 0.01 || b.y + b.height <= a.y + 0.01).toBe(true);
  });

  it("comes to an end where groups need each other in a circle", () => {
    const input: LayoutInput = {
      chains: [[0], [1]],
      counts: [1, 1],
      names: ["a", "b"],
      runs: [0, 0],
      runTitles: [null],
      edges: [
        { from: 0, to: 1, shape: "item" },
        { from: 1, to: 0, shape: "item" },
      ],
    };
    expect(layOut(input).cards).toHaveLength(2);
  });

  it("merges the cells of very large groups", () => {
    expect(perCell(MOST_CELLS)).toBe(1);
    expect(perCell(100_000) * MOST_CELLS).toBeGreaterThanOrEqual(100_000);
    expect(mosaic(1).columns).toBe(1);
  });
});

describe("measures of a group", () => {
  const model = etl(6);
  const [, fetch, parse] = model.groups;
  if (!fetch || !parse) throw new Error("groups are missing");

  it("count how many were at work", () => {
    const { starts, ends } = measuresOf(model, fetch);
    expect(upTo(starts, 103) - upTo(ends, 103)).toBe(4);
    expect(peakOf(measuresOf(model, fetch))).toBe(6);
  });

  it("give each task at work a row of its own, those of one node together", () => {
    const { nodes, slot, count } = slotsOf(model, fetch);
    expect(nodes.map((node) => [node.name, node.count])).toEqual([
      ["cpu-0", 3],
      ["cpu-1", 3],
    ]);
    expect(new Set(slot.values()).size).toBe(count);
  });

  it("sort durations into bars, and failures by cause", () => {
    const bars = histogramOf(model, parse, 5);
    expect(bars.reduce((sum, bar) => sum + bar.done + bar.failed, 0)).toBe(6);
    expect(bars.at(-1)?.failed).toBe(1);
    expect(causesOf(model, parse).map((cause) => [cause.text, cause.rows.length])).toEqual([
      ["KeyError: 'currency'", 1],
    ]);
  });
});
