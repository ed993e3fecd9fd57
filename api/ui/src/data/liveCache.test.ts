import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import { LiveCache, patchedAnswer, shows, type LiveRun } from "./liveCache";
import type { FlowRun } from "./runs";

const run = { id: "1", flow_id: "f", name: "old", updated: "2026-01-01T10:00:00Z", state_type: "RUNNING" };
const of = (changed: Partial<LiveRun>) => ({ ...run, ...changed }) as LiveRun;
const newer = of({
  updated: "2026-01-01T10:00:01.5Z",
  state_type: "COMPLETED",
  state_name: "Completed",
  state_timestamp: "2026-01-01T10:00:01Z",
});

function page() {
  const queries = new QueryClient();
  const timers: { act: () => void; afterMs: number }[] = [];
  const world = { time: 0, isSeen: true };
  const cache = new LiveCache(queries, {
    now: () => world.time,
    later: (act, afterMs) => void timers.push({ act, afterMs }),
    isSeen: () => world.isSeen,
  });
  let asked = 0;
  const list = new QueryObserver(queries, {
    queryKey: ["flow_runs", {}, "x"],
    queryFn: () => Promise.resolve([run, asked++]),
    staleTime: Infinity,
  });
  const end = list.subscribe(() => undefined);
  return { queries, timers, world, cache, asked: () => asked, end };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

describe("what changes do to the cache", () => {
  it("patches a run wherever it stands, and leaves the rest as it is", () => {
    const news = new Map([["1", newer]]);
    const other = { ...run, id: "2" };
    const pages = { pages: [[other], [other, run]], pageParams: [0, 1] };
    const after = patchedAnswer(pages, news) as { pages: FlowRun[][] };
    expect(after.pages[0]).toBe(pages.pages[0]);
    expect(after.pages[1]?.[1]?.state).toEqual({
      type: "COMPLETED",
      name: "Completed",
      timestamp: "2026-01-01T10:00:01Z",
    });
    expect(patchedAnswer(run, news)).toMatchObject({ state_type: "COMPLETED" });
    const nothing = { count: 3, list: [1, null] };
    expect(patchedAnswer(nothing, news)).toBe(nothing);
  });

  it("never puts an older state in the place of a newer one", () => {
    const late = new Map([["1", of({ updated: "2026-01-01T09:59:59.999999Z", name: "older" })]]);
    expect(patchedAnswer(run, late)).toBe(run);
  });

  it("knows what a query shows by its key, or by what it says", () => {
    expect(shows({ queryKey: ["flow_run", "1"] }, "flow_runs")).toBe(true);
    expect(shows({ queryKey: ["deployments"] }, "flow_runs")).toBe(false);
    expect(shows({ queryKey: ["overview"], meta: { live: ["flow_runs"] } }, "flow_runs")).toBe(true);
  });

  it("asks for a list at once when it is quiet, and once a second under load", async () => {
    const { cache, timers, world, asked, end } = page();
    await settled();
    expect(asked()).toBe(1);
    for (let count = 0; count < 50; count++)
      cache.flowRuns({ kind: "data", data: { runs: [newer], stale: false } });
    await settled();
    expect(asked()).toBe(2);
    expect(timers.map(({ afterMs }) => afterMs)).toEqual([1_000]);
    world.time = 1_000;
    timers[0]?.act();
    await settled();
    expect(asked()).toBe(3);
    end();
  });

  it("rests while nobody sees the page, and makes up for it then", async () => {
    const { cache, queries, world, asked, end } = page();
    await settled();
    world.isSeen = false;
    cache.flowRuns({ kind: "data", data: { runs: [newer], stale: false } });
    await settled();
    expect(asked()).toBe(1);
    expect(queries.getQueryData<unknown[]>(["flow_runs", {}, "x"])?.[0]).toBe(run);
    world.isSeen = true;
    cache.work();
    expect(queries.getQueryData<unknown[]>(["flow_runs", {}, "x"])?.[0]).toMatchObject({
      state_type: "COMPLETED",
    });
    await settled();
    expect(asked()).toBe(2);
    end();
  });
});
