/** What the reader chose, kept in this browser: theme, zone, 12 or 24 hours. */

import { useSyncExternalStore } from "react";
import type { Clock } from "@/words/times";

export type Theme = "light" | "dark" | "system";
export type Preferences = { theme: Theme; zone: string | null; hour12: boolean; wrapLogs: boolean };

const KEY = "heliostat-preferences";
const DEFAULTS: Preferences = { theme: "system", zone: null, hour12: false, wrapLogs: true };

const listeners = new Set<() => void>();
let kept = read();

function read(): Preferences {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...DEFAULTS, ...(found as Partial<Preferences>) };
  } catch {
    return DEFAULTS; // no storage, or what lies there is not ours
  }
}

export function preferences(): Preferences {
  return kept;
}

export function setPreferences(changed: Partial<Preferences>): void {
  kept = { ...kept, ...changed };
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // the choice lasts as long as the page
  }
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  const fromOtherTab = (event: StorageEvent) => {
    if (event.key !== KEY) return;
    kept = read();
    listener();
  };
  window.addEventListener("storage", fromOtherTab);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", fromOtherTab);
  };
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(subscribe, preferences);
}

const clocks = new Map<string, Clock>();

/** How moments are written: the same object while nothing changes. */
export function clockOf({ zone, hour12 }: Preferences): Clock {
  const key = `${zone ?? ""} ${hour12}`;
  let clock = clocks.get(key);
  if (!clock) {
    clock = { zone: zone ?? undefined, hour12 };
    clocks.set(key, clock);
  }
  return clock;
}

export function useClock(): Clock {
  return clockOf(usePreferences());
}
