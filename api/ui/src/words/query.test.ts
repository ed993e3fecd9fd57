import { describe, expect, it } from "vitest";
import {
  boundsOf,
  secondsOf,
  spanOf,
  spanText,
  toggled,
  tokens,
  valuesOf,
  withToken,
  written,
} from "./query";

const brief = (text: string) =>
  tokens(text).map((token) => `${token.negated ? "!" : ""}${token.field}=${token.value}`);

describe("a query's tokens", () => {
  it.each([
    ["state:failed flow:orders-*", ["state=failed", "flow=orders-*"]],
    ["-tag:staging tag:-old !pool:x", ["!tag=staging", "!tag=old", "!pool=x"]],
    ["started:last 24h eu", ["started=last 24h", "=eu"]],
    ["started:last", ["started=last"]],
    ['name:"two words" "a b"', ["name=two words", "=a b"]],
    ['name:"never closed', ["name=never closed"]],
    ["tasks:>1000 took:5m..1h", ["tasks=>1000", "took=5m..1h"]],
    ["tries:-1", ["tries=-1"]],
    ["param.Region:eu", ["param.Region=eu"]],
    ["/con[a-z]+ \\d/ level:error", ["=/con[a-z]+ \\d/", "level=error"]],
    ["  ", []],
  ])("of %s", (text, expected) => expect(brief(text)).toEqual(expected));

  it("know where they stand", () => {
    const text = "state:failed  -tag:x";
    expect(tokens(text).map((token) => text.slice(token.start, token.end))).toEqual([
      "state:failed",
      "-tag:x",
    ]);
  });

  it("are written as they are read", () => {
    expect([written("name", "a b"), written("started", "last 2h"), written("tag", "x", true)]).toEqual([
      'name:"a b"',
      "started:last 2h",
      "-tag:x",
    ]);
  });

  it("are replaced and switched", () => {
    expect(withToken("eu started:last 24h tag:x", "started", "today")).toBe("eu tag:x started:today");
    expect(withToken("eu started:last 24h", "started", null)).toBe("eu");
    expect(toggled("eu", "state", "failed")).toBe("eu state:failed");
    expect(toggled("eu state:failed", "state", "crashed")).toBe("eu state:failed,crashed");
    expect(toggled("state:failed,crashed eu", "state", "failed")).toBe("eu state:crashed");
    expect(valuesOf("state:a,b -state:c state:d", "state")).toEqual(["a", "b", "d"]);
  });
});

describe("a query's values", () => {
  const now = new Date("2026-11-26T14:33:00Z");
  it("are lengths", () => {
    expect(["90", "1.5m", "2 h", "3d", "soon"].map(secondsOf)).toEqual([90, 90, 7200, 259_200, null]);
  });
  it("are bounds", () => {
    expect(boundsOf(">1000", Number)).toEqual({ least: 1000, most: null });
    expect(boundsOf("<=5", Number)).toEqual({ least: null, most: 5 });
    expect(boundsOf("2..7", Number)).toEqual({ least: 2, most: 7 });
    expect(boundsOf("3", Number)).toEqual({ least: 3, most: 3 });
    expect(boundsOf("x", secondsOf)).toBeNull();
  });
  it("are stretches of time", () => {
    expect(spanOf("last 24h", now)).toEqual({ after: new Date("2026-11-25T14:33:00Z"), before: null });
    expect(spanOf(">2026-11-26T10:00:00Z", now)).toEqual({
      after: new Date("2026-11-26T10:00:00Z"),
      before: null,
    });
    expect(spanOf("2026-11-26T10:00:00Z..2026-11-26T12:00:00Z", now)).toEqual({
      after: new Date("2026-11-26T10:00:00Z"),
      before: new Date("2026-11-26T12:00:00Z"),
    });
    expect(spanOf("whenever", now)).toBeNull();
    expect(spanOf("last week", now)).toBeNull();
    expect(spanText(new Date("2026-11-26T10:00:00.500Z"), now)).toBe(
      "2026-11-26T10:00:00Z..2026-11-26T14:33:00Z",
    );
  });
});
