import { expect, it } from "vitest";
import { figuresOf, median } from "./flowFigures";

const run = (type: string, seconds: number | null, at: number) => ({
  id: String(at),
  name: String(at),
  state_type: type,
  state_name: type,
  at: "2026-01-01T00:00:00Z",
  start: "2026-01-01T00:00:00Z",
  end: seconds === null ? null : new Date(Date.parse("2026-01-01T00:00:00Z") + seconds * 1000).toISOString(),
});

it("A flow's figures count what ended, and only what completed tells its length", () => {
  const runs = [
    run("COMPLETED", 10, 0),
    run("FAILED", 1, 1),
    run("COMPLETED", 30, 2),
    run("RUNNING", null, 3),
  ];
  const figures = figuresOf({ runs, next_at: null, next_run_id: null });
  expect(figures).toEqual({ ended: 3, bad: 1, trend: [10, 30], median: 20 });
});

it("The median of nothing is nothing", () => {
  expect(median([])).toBeNull();
  expect(figuresOf(undefined)).toEqual({ ended: 0, bad: 0, trend: [], median: null });
});
