/** Runs laid into lanes: one a slot, grouped by machine, without two runs at a time in one lane. */

import type { InSlot } from "@/data/pools";

export type Lane = { runs: InSlot[]; until: number };
export type Place = { name: string; lanes: InSlot[][]; hidden: number };

const NOWHERE = "unknown";
const MOST_LANES = 16;

const begin = (run: InSlot) => Date.parse(run.start);
const end = (run: InSlot, now: number) => (run.end === null ? now : Date.parse(run.end));

/** The places by name, each with its lanes; lanes beyond the first sixteen of a place are counted only. */
export function lanesOf(runs: readonly InSlot[], now: number): Place[] {
  const places = new Map<string, Lane[]>();
  for (const run of [...runs].sort((one, other) => begin(one) - begin(other))) {
    const name = run.place ?? NOWHERE;
    const lanes = places.get(name) ?? [];
    places.set(name, lanes);
    let lane = lanes.find((each) => each.until <= begin(run));
    if (!lane) {
      lane = { runs: [], until: 0 };
      lanes.push(lane);
    }
    lane.runs.push(run);
    lane.until = end(run, now);
  }
  return [...places]
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, lanes]) => ({
      name,
      lanes: lanes.slice(0, MOST_LANES).map((lane) => lane.runs),
      hidden: Math.max(0, lanes.length - MOST_LANES),
    }));
}

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 240, 360];

/** Round moments between two times, about four of them. */
export function ticksOf(from: number, to: number): number[] {
  const minutes = STEPS_MIN.find((step) => (to - from) / 60_000 / step <= 5) ?? 360;
  const step = minutes * 60_000;
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) ticks.push(at);
  return ticks;
}
