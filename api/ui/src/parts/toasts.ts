/** What happened, told at the bottom right: ten seconds, with an undo where there is one; failures stay. */

import { useSyncExternalStore } from "react";

export type Toast = {
  id: number;
  text: string;
  bad?: boolean;
  brief?: boolean;
  undo?: () => void;
  again?: () => void;
  until: number | null;
};

const LASTS_MS = 10_000;
const BRIEF_MS = 2_000;

let toasts: readonly Toast[] = [];
let newest = 0;
const listeners = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next;
  listeners.forEach((listener) => listener());
}

export function toast(given: Omit<Toast, "id" | "until">): number {
  newest += 1;
  const id = newest;
  const lasts = given.bad ? null : given.brief ? BRIEF_MS : LASTS_MS;
  change([
    ...toasts.filter((each) => !each.brief),
    { ...given, id, until: lasts === null ? null : Date.now() + lasts },
  ]);
  if (lasts !== null) setTimeout(() => dismiss(id), lasts);
  return id;
}

export function dismiss(id: number): void {
  change(toasts.filter((each) => each.id !== id));
}

/** Take back what the newest toast told of, if it can be. */
export function undoNewest(): boolean {
  const found = [...toasts].reverse().find((each) => each.undo);
  if (!found?.undo) return false;
  dismiss(found.id);
  found.undo();
  return true;
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
