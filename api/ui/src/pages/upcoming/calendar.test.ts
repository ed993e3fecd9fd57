import { expect, it } from "vitest";
import type { Planned, PlannedDeployment, Upcoming } from "@/data/upcoming";
import { blocksOf, clashesOf, DAY_PX, loadOf, spansOf } from "./calendar";

const START = Date.parse("2026-11-26T00:00:00Z");
const DAY = 86_400_000;
const date = (at: string, deployment = "a"): Planned => ({
  at: `2026-11-26T${at}:00Z`,
  deployment_id: deployment,
  schedule_id: "s",
  run_id: null,
  run_name: null,
  slot_at: null,
  skipped: false,
});
const deployment = (id: string, seconds: number, limit: number | null = null): PlannedDeployment => ({
  id,
  name: id,
  flow_id: id,
  flow_name: "etl",
  paused: false,
  tags: [],
  pool: "yard",
  queue: "default",
  limit,
  usual: { median_s: seconds, p95_s: seconds, runs: 9 },
  updated: "",
});
const upcoming = (planned: Planned[], deployments: PlannedDeployment[]): Upcoming => ({
  days: [planned.length],
  planned,
  bands: [],
  next: [],
  deployments,
  schedules: [],
  is_cut: false,
});

it("Dates that overlap stand side by side, others have the whole width", () => {
  const blocks = blocksOf([date("06:00"), date("06:30"), date("12:00")], START, START + DAY, () => 3600);
  expect(blocks.map((each) => [each.lane, each.lanes])).toEqual([
    [0, 2],
    [1, 2],
    [0, 1],
  ]);
  expect(blocks[0]?.top).toBe(DAY_PX / 4);
});

it("The load of an hour is how many runs are at work on average", () => {
  const spans = spansOf(upcoming([date("06:30"), date("06:45")], [deployment("a", 1800)]));
  expect(loadOf(spans, START, 24).slice(5, 9)).toEqual([0, 0.75, 0.25, 0]);
});

it("A band's load is spread over its time, and no day has more", () => {
  const data = upcoming([], [deployment("a", 60)]);
  data.bands.push({
    day: 0,
    deployment_id: "a",
    schedule_id: "s",
    count: 24 * 12,
    first: "2026-11-26T00:00:00Z",
    last: "2026-11-26T23:55:00Z",
  });
  const load = loadOf(spansOf(data), START, 24);
  expect(load.reduce((sum, each) => sum + each, 0)).toBeCloseTo(4.8, 1);
});

it("Runs that a limit will keep waiting are told, and those that just follow each other are not", () => {
  const long = upcoming([date("06:00"), date("06:30")], [deployment("a", 3600, 1)]);
  expect(clashesOf(long, new Map()).map((each) => each.deployment)).toEqual(["a"]);
  const short = upcoming([date("06:00"), date("06:30")], [deployment("a", 1800, 1)]);
  expect(clashesOf(short, new Map([["yard", 1]]))).toEqual([]);
  const pool = upcoming([date("06:00"), date("06:10", "b")], [deployment("a", 3600), deployment("b", 60)]);
  expect(clashesOf(pool, new Map([["yard", 1]]))[0]?.text).toContain("2 runs want the 1 slot of pool yard");
});
