/** Causes that the reader does not want to see for a while; kept in this browser. */

import { useSyncExternalStore } from "react";

const KEY = "heliostat-snoozed";
const FOR_MS = 4 * 3_600_000;

type Snoozed = Readonly<Record<string, number>>;

let kept: Snoozed = read();
const listeners = new Set<() => void>();

function read(): Snoozed {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, number>;
    return Object.fromEntries(Object.entries(found).filter(([, until]) => until > Date.now()));
  } catch {
    return {};
  }
}

function keep(next: Snoozed): void {
  kept = next;
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // it lasts as long as the page
  }
  listeners.forEach((listener) => listener());
}

export function snooze(key: string): void {
  keep({ ...kept, [key]: Date.now() + FOR_MS });
}

export function wake(key?: string): void {
  keep(key === undefined ? {} : Object.fromEntries(Object.entries(kept).filter(([each]) => each !== key)));
}

export function useSnoozed(): Snoozed {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => kept,
  );
}

export function isSnoozed(snoozed: Snoozed, key: string, now: number): boolean {
  return (snoozed[key] ?? 0) > now;
}
