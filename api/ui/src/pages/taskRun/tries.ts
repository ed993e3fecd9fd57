/** The tries of a task run, read from the states that it went through. */

import type { RunState } from "@/data/oneRun";
import { isFinal } from "@/words/states";

export type Try = {
  number: number;
  start: string;
  end: string | null;
  /** How the try ended; the state it is in while it goes on. */
  type: string;
  name: string;
  raised: string | null;
  /** When the next try was due, and what came of this one. */
  then: string;
};

export function triesOf(states: readonly RunState[], retries: number): Try[] {
  const found: Try[] = [];
  states.forEach((state, at) => {
    if (state.type !== "RUNNING") return;
    const after = states[at + 1];
    const next = states.slice(at + 1).find((each) => each.type === "RUNNING");
    const failed = after !== undefined && after.type !== "COMPLETED";
    found.push({
      number: found.length + 1,
      start: state.timestamp,
      end: after?.timestamp ?? null,
      type: after ? (isAwaiting(after) ? "FAILED" : after.type) : state.type,
      name: after ? (isAwaiting(after) ? "Failed" : after.name) : state.name,
      raised: failed ? causeOf(after.message) : null,
      then: thenOf(after, next, found.length + 1, retries),
    });
  });
  return found;
}

/** The words of an error, without those that clients of the standard API put before them. */
export function causeOf(message: string | null | undefined): string | null {
  return message?.replace(/^(?:Task|Flow) run encountered an exception:? ?/, "") || null;
}

/** A state between two tries: the try before it failed. */
function isAwaiting(state: RunState): boolean {
  return state.type === "SCHEDULED" || (state.type === "RUNNING" && state.name === "Retrying");
}

function thenOf(
  after: RunState | undefined,
  next: RunState | undefined,
  number: number,
  retries: number,
): string {
  if (!after) return "goes on";
  if (after.type === "COMPLETED") return "ended well";
  if (next) {
    const seconds = (Date.parse(next.timestamp) - Date.parse(after.timestamp)) / 1000;
    return `retry after ${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
  }
  if (isAwaiting(after)) return "waits for its next try";
  if (isFinal(after.type) && retries > 0 && number > retries) return "no retry left";
  return isFinal(after.type) ? "ended" : after.name;
}
