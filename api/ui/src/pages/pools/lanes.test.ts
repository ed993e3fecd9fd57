import { describe, expect, it } from "vitest";
import type { InSlot } from "@/data/pools";
import { lanesOf, ticksOf } from "./lanes";

const minute = (number: number) => new Date(number * 60_000).toISOString();
const run = (from: number, to: number | null, place: string | null = "rack"): InSlot => ({
  id: `${from}-${to}`,
  name: "run",
  flow_name: "flow",
  queue: "default",
  state_type: to === null ? "RUNNING" : "COMPLETED",
  state_name: "",
  start: minute(from),
  end: to === null ? null : minute(to),
  place,
  run_count: 1,
});

describe("lanes", () => {
  it("hold one run at a time, and are used again when it has ended", () => {
    const [place] = lanesOf([run(0, 4), run(1, 2), run(3, 5), run(4, null)], 10 * 60_000);
    expect(place?.lanes.map((lane) => lane.map((each) => each.id))).toEqual([
      ["0-4", "4-null"],
      ["1-2", "3-5"],
    ]);
  });

  it("are grouped by machine, also by one that is not known", () => {
    const places = lanesOf([run(0, 1, "b"), run(0, 1, null), run(0, 1, "a")], 0);
    expect(places.map((place) => place.name)).toEqual(["a", "b", "unknown"]);
  });

  it("are counted where there are too many to draw", () => {
    const [place] = lanesOf(
      Array.from({ length: 20 }, () => run(0, null)),
      1,
    );
    expect([place?.lanes.length, place?.hidden]).toEqual([16, 4]);
  });

  it("stand on round moments", () => {
    expect(ticksOf(61_000, 30 * 60_000).map((at) => at / 60_000)).toEqual([10, 20]);
  });
});
