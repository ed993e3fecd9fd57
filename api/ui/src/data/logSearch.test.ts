import { describe, expect, it } from "vitest";
import { logQueryOf } from "./logSearch";

const now = new Date("2026-11-26T14:00:00Z");
const of = (text: string) => logQueryOf(text, now).query;

describe("the query of logs", () => {
  it("becomes what the server takes", () => {
    expect(of("level:>=warning connection -refused time:last 1h")).toEqual({
      levels: ["warning", "error"],
      text: '+"connection" -"refused"',
      after: "2026-11-26T13:00:00.000Z",
    });
    expect(of('/con\\w+ \\d/ flow:orders-* hide:"connection … refused"')).toEqual({
      regex: "con\\w+ \\d",
      flows: ["orders-*"],
      hide: ["connection … refused"],
    });
    expect(of("run:0193f0c0-0000-7000-8000-000000000001 run:amber-kestrel last:1h")).toEqual({
      flow_run_ids: ["0193f0c0-0000-7000-8000-000000000001"],
      runs: ["amber-kestrel"],
      after: "2026-11-26T13:00:00.000Z",
    });
    expect(of("level:error,info")).toEqual({ levels: ["error", "info"] });
  });

  it("says what it does not understand", () => {
    const { problems } = logQueryOf("level:loud node:x time:soon", now);
    expect(problems.map((each) => each.text)).toEqual([
      "level: debug, info, warning, error or >=warning",
      "node: there is no such field",
      "time: such as last 1h, today or >2026-11-26",
    ]);
  });
});
