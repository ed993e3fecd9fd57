import { describe, expect, it } from "vitest";
import { age, bytes, count, counted, duration, percent, short } from "./numbers";
import { glyphOf, kindOf, wordOf } from "./states";
import { dayOf, moment, secondsBetween, timeOfDay, timeWithMillis } from "./times";

describe("durations", () => {
  it.each([
    [0, "0 s"],
    [0.0002, "0.2 ms"],
    [0.012, "12 ms"],
    [0.0999, "0.1 s"],
    [3.44, "3.4 s"],
    [59.4, "59 s"],
    [59.6, "1 m 00 s"],
    [192, "3 m 12 s"],
    [3599.6, "1 h 00 m"],
    [5160, "1 h 26 m"],
    [86_399, "1 d 0 h"],
    [443_000, "5 d 3 h"],
    [-4, "0 s"],
  ])("say %s seconds as %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  it("say ages in their largest unit", () => {
    expect([40, 720, 10_800, 432_000].map(age)).toEqual(["40 s", "12 m", "3 h", "5 d"]);
  });
});

describe("figures", () => {
  it("say none for nothing", () => expect(count(0)).toBe("none"));
  it("part thousands", () => expect(count(10_088)).toBe("10,088"));
  it("shorten large ones", () =>
    expect([214, 2_930, 12_300, 1_840_000].map(short)).toEqual(["214", "2,930", "12.3 k", "1.84 M"]));
  it("say sizes", () => expect([999, 1_800_000].map(bytes)).toEqual(["999 B", "1.8 MB"]));
  it("agree with their number", () =>
    expect([counted(1, "run"), counted(2, "run")]).toEqual(["1 run", "2 runs"]));
  it("never round up to all", () => expect(percent(9_999, 10_000)).toBe("99.9 %"));
});

describe("states", () => {
  it("show a late run as late and another scheduled one as scheduled", () => {
    expect([kindOf("SCHEDULED", "Late"), kindOf("SCHEDULED", "Scheduled")]).toEqual(["late", "scheduled"]);
  });
  it("keep the glyph of a named state", () => {
    expect([
      glyphOf("COMPLETED", "Cached"),
      glyphOf("FAILED", "TimedOut"),
      glyphOf("RUNNING", "Running"),
    ]).toEqual(["cached", "timedout", "running"]);
  });
  it("part names that are written together", () => {
    expect([wordOf("FAILED", "TimedOut"), wordOf("COMPLETED", "Skipped by hand")]).toEqual([
      "Timed out",
      "Skipped by hand",
    ]);
  });
});

describe("moments", () => {
  const berlin = { zone: "Europe/Berlin", hour12: false };
  const at = new Date("2026-11-26T23:33:10.871Z");
  it("stand in the reader's zone", () => {
    expect([timeOfDay(at, berlin), timeWithMillis(at, berlin), dayOf(at, berlin)]).toEqual([
      "00:33:10",
      "00:33:10.871",
      "2026-11-27",
    ]);
  });
  it("are told apart to the microsecond", () => {
    expect(secondsBetween("2026-11-26T23:33:10.000900Z", "2026-11-26T23:33:10.001Z")).toBeCloseTo(0.0001, 9);
    expect(secondsBetween("2026-11-26T23:33:10Z", "2026-11-26T23:33:12.5Z")).toBe(2.5);
  });
  it("carry their day when it is another", () => {
    expect(moment(at, new Date("2026-11-28T12:00:00Z"), berlin)).toBe("27 Nov 00:33");
  });
});
