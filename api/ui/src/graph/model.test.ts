import { describe, expect, it } from "vitest";
import { criticalPath } from "./criticalPath";
import { etl, etlWire, wireOf } from "./fixture";
import { RunModel } from "./model";
import { relate } from "./relations";
import { find } from "./search";

const named = (model: RunModel, rows: readonly number[]) => rows.map((row) => model.name(row));

describe("the model of a run", () => {
  it("folds calls of one task into a group with counts by state", () => {
    const model = etl(6);
    expect(model.groups.map((group) => [group.name, group.rows.length])).toEqual([
      ["list", 1],
      ["fetch", 6],
      ["parse", 6],
      ["total", 1],
    ]);
    expect(model.groups[2]?.counts).toEqual({ completed: 5, failed: 1 });
  });

  it("names what a task needs and what it feeds", () => {
    const model = etl(6);
    const parse3 = model.groups[2]?.rows[3] as number;
    expect(named(model, model.above(parse3))).toEqual(["fetch[3]"]);
    expect(named(model, model.below(parse3))).toEqual(["total"]);
    expect(model.above(model.groups[3]?.rows[0] as number)).toHaveLength(6);
  });

  it("gives the id of a task as its group's base and its index", () => {
    const model = etl(6);
    const base = BigInt(`0x${etlWire(6).groups[1]?.base ?? "0"}`);
    const id = model.id(model.groups[1]?.rows[5] as number);
    expect(BigInt(`0x${id.replaceAll("-", "")}`)).toBe(base + 5n);
  });

  it("keeps rows in place when an increment changes them", () => {
    const model = etl(6);
    const before = model.count;
    model.apply(wireOf([{ group: "total", index: 0, state: "RUNNING", start: 500 }], [], "run:2"));
    expect(model.count).toBe(before);
    expect(model.kind(model.groups[3]?.rows[0] as number)).toBe("running");
    expect(model.cursor).toBe("run:2");
  });

  it("does not tell edges twice when an increment repeats them", () => {
    const model = etl(6);
    model.apply(etlWire(6));
    expect(model.above(model.groups[3]?.rows[0] as number)).toHaveLength(6);
  });

  it("joins the edges of rows that come piece by piece", () => {
    const model = new RunModel();
    const items = Array.from({ length: 40 }, (_, index) => index);
    model.apply(
      wireOf(
        items.map((index) => ({ group: "a", index })),
        [],
      ),
    );
    for (const index of items)
      model.apply(
        wireOf(
          [
            { group: "a", index },
            { group: "b", index },
          ],
          [[0, 1, index, 1, 0, index, 1]],
        ),
      );
    expect(model.groups[1]?.blocks).toHaveLength(1);
    expect(named(model, model.above(model.groups[1]?.rows[17] as number))).toEqual(["a[17]"]);
  });
});

describe("relations of groups", () => {
  it("tell one for all, item by item, and all for one", () => {
    const { edges, depth } = relate(etl(6));
    expect(edges).toEqual([
      { from: 0, to: 1, shape: "out" },
      { from: 1, to: 2, shape: "item" },
      { from: 2, to: 3, shape: "in" },
    ]);
    expect([...depth]).toEqual([0, 1, 2, 3]);
  });

  it("put maps item by item over one list into one chain", () =>
    expect(relate(etl(6)).chains).toEqual([[0], [1, 2], [3]]));
});

describe("the critical path", () => {
  it("goes back from what ends last to what it waited for", () => {
    const model = etl(6);
    expect(named(model, criticalPath(model, 400))).toEqual(["list", "fetch[3]", "parse[3]"]);
  });

  it("is empty while nothing has begun", () => {
    const model = new RunModel();
    model.apply(wireOf([{ group: "a", index: 0, state: "PENDING" }], []));
    expect(criticalPath(model, 10)).toEqual([]);
  });
});

describe("finding task runs", () => {
  const model = etl(6);
  const found = (query: string) => named(model, find(model, query, 400) ?? []);
  it("by item", () => expect(found("[2]")).toEqual(["fetch[2]", "parse[2]"]));
  it("by state", () => expect(found("failed")).toEqual(["parse[3]"]));
  it("by node", () => expect(found("node:cpu-1")).toEqual(["fetch[1]", "fetch[3]", "fetch[5]"]));
  it("by a part of a name or an error", () => {
    expect(found("tot")).toEqual(["total"]);
    expect(found("currency")).toEqual(["parse[3]"]);
  });
  it("by all words at once", () => expect(found("node:cpu-0 [4]")).toEqual(["fetch[4]"]));
  it("for nothing finds nothing in particular", () => expect(find(model, "  ", 400)).toBeNull());
});
