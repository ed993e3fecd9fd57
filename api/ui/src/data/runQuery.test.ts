import { describe, expect, it } from "vitest";
import { termsOf } from "./runQuery";

const now = new Date("2026-11-26T14:00:00Z");
const of = (text: string) => termsOf(text, now).terms;
const wrong = (text: string) => termsOf(text, now).problems.map((each) => each.text);

describe("the query of runs", () => {
  it("becomes terms", () => {
    expect(of("state:failed,crashed flow:orders-* tag:-staging eu")).toEqual([
      { field: "state", values: ["failed", "crashed"], negated: false },
      { field: "flow", values: ["orders-*"], negated: false },
      { field: "tag", values: ["staging"], negated: true },
      { field: "name", values: ["eu"], negated: false },
    ]);
    expect(of("param.region:eu")).toEqual([
      { field: "param", key: "region", values: ["eu"], negated: false },
    ]);
    expect(of("tasks:>1000 tries:2..3 took:<5m")).toEqual([
      { field: "tasks", negated: false, at_least: 1001 },
      { field: "tries", negated: false, at_least: 2, at_most: 3 },
      { field: "took", negated: false, at_most: 300 },
    ]);
    expect(of("started:last 24h")).toEqual([
      { field: "started", negated: false, after: "2026-11-25T14:00:00.000Z" },
    ]);
  });

  it("says what it does not understand", () => {
    expect(wrong("weather:fine tasks:many started:soon flow: ok")).toEqual([
      "weather: there is no such field",
      "tasks: a number such as >1000",
      "started: a time such as last 24h, today or >2026-11-26",
      "flow: a value is missing",
    ]);
  });
});
