import { describe, expect, it } from "vitest";
import type { RunState } from "@/data/oneRun";
import { triesOf } from "./tries";

const state = (type: string, name: string, second: number, message?: string): RunState => ({
  id: String(second),
  type,
  name,
  timestamp: new Date(second * 1000).toISOString(),
  message,
  state_details: null,
});

describe("the tries of a task run", () => {
  it("end where the next one is awaited, and the last one with its state", () => {
    const tries = triesOf(
      [
        state("PENDING", "Pending", 0),
        state("RUNNING", "Running", 1),
        state("SCHEDULED", "AwaitingRetry", 2, "KeyError: 'a'"),
        state("RUNNING", "Retrying", 4),
        state("FAILED", "Failed", 5, "KeyError: 'b'"),
      ],
      1,
    );
    expect(tries.map((each) => [each.number, each.type, each.raised, each.then])).toEqual([
      [1, "FAILED", "KeyError: 'a'", "retry after 2 s"],
      [2, "FAILED", "KeyError: 'b'", "no retry left"],
    ]);
  });
  it("are one that goes on while it runs", () => {
    const tries = triesOf([state("PENDING", "Pending", 0), state("RUNNING", "Running", 1)], 0);
    expect(tries.map((each) => [each.type, each.end, each.then])).toEqual([["RUNNING", null, "goes on"]]);
  });
  it("are none for a call that was answered from the cache", () => {
    expect(triesOf([state("PENDING", "Pending", 0), state("COMPLETED", "Cached", 1)], 0)).toEqual([]);
  });
});
