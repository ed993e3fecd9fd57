/** Names of task runs by their ids, asked for together as lines that name them come into view. */

import { useSyncExternalStore } from "react";
import { post } from "./client";

const MOST = 200;
const GATHER_MS = 30;

const names = new Map<string, string>();
const asked = new Set<string>();
const listeners = new Set<() => void>();
let wanted: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

async function read(): Promise<void> {
  timer = undefined;
  const ids = wanted;
  wanted = [];
  for (let at = 0; at < ids.length; at += MOST) {
    const part = ids.slice(at, at + MOST);
    try {
      const found = await post<{ id: string; name: string }[]>("/task_runs/filter", {
        task_runs: { id: { any_: part } },
        limit: MOST,
      });
      for (const each of found) names.set(each.id, each.name);
      // A client's lines may arrive before its task runs: those are asked for again.
      for (const id of part) if (!names.has(id)) asked.delete(id);
    } catch {
      for (const id of part) asked.delete(id);
    }
  }
  listeners.forEach((listener) => listener());
}

function want(id: string): void {
  if (names.has(id) || asked.has(id)) return;
  asked.add(id);
  wanted.push(id);
  timer ??= setTimeout(() => void read(), GATHER_MS);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The name of a task run, as soon as it is known. */
export function useTaskName(id: string | null): string | undefined {
  return useSyncExternalStore(subscribe, () => {
    if (id) want(id);
    return id ? names.get(id) : undefined;
  });
}
