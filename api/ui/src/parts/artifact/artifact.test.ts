import { describe, expect, it } from "vitest";
import { asRows } from "./ArtifactTable";

describe("a table artifact", () => {
  it("is a list of rows", () => expect(asRows([{ a: 1 }, { a: 2 }])).toEqual([{ a: 1 }, { a: 2 }]));
  it("is JSON text of rows", () => expect(asRows('[{"a": 1}]')).toEqual([{ a: 1 }]));
  it("is columns by name", () =>
    expect(asRows({ a: [1, 2], b: [3] })).toEqual([
      { a: 1, b: 3 },
      { a: 2, b: undefined },
    ]));
  it("is a list of lists", () => expect(asRows([[1, 2]])).toEqual([{ 1: 1, 2: 2 }]));
  it.each(["no json", 3, null, { a: 1 }, {}, [1, 2]])("is not %j", (value) =>
    expect(asRows(value)).toBeNull(),
  );
});
