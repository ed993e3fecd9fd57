/** The present moment, shared by everything on the page that counts up: one timer, not one each. */

import { useSyncExternalStore } from "react";

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    listeners.forEach((each) => each());
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function current(): number {
  // Without a timer nothing else keeps it fresh.
  if (timer === undefined) now = Date.now();
  return now;
}

/** Milliseconds since 1970, fresh each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, current);
}

/** The present moment at the last tick, without following it. */
export function lately(): number {
  return current();
}
