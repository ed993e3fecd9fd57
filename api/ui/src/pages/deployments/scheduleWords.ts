/** Schedules in words, and their parts. */

import cronstrue from "cronstrue";
import type { Definition } from "@/data/deployments";

export type Kind = "cron" | "interval" | "rrule";

export function kindOfSchedule(definition: Definition): Kind {
  return "interval" in definition ? "interval" : "rrule" in definition ? "rrule" : "cron";
}

/** Six fields have the seconds last here, and first in the library. */
function inItsOrder(cron: string): string {
  const fields = cron.trim().split(/\s+/);
  return fields.length === 6 ? [fields[5], ...fields.slice(0, 5)].join(" ") : cron;
}

export function scheduleWords(definition: Definition): string {
  switch (kindOfSchedule(definition)) {
    case "cron":
      try {
        return cronstrue.toString(inItsOrder(String(definition["cron"])), { use24HourTimeFormat: true });
      } catch {
        return String(definition["cron"]);
      }
    case "interval": {
      const seconds = Number(definition["interval"]);
      if (!Number.isFinite(seconds)) return String(definition["interval"]);
      const { amount, unit } = splitInterval(seconds);
      return amount === 1 ? `Every ${unit}` : `Every ${amount} ${unit}s`;
    }
    case "rrule":
      return String(definition["rrule"]).split(/\n/).pop() ?? "";
  }
}

export const zoneOf = (definition: Definition): string => {
  const zone = definition["timezone"];
  return typeof zone === "string" && zone ? zone : "UTC";
};

const UNITS = [
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;
export type Unit = (typeof UNITS)[number][0];

/** 5400 → 90 minutes: the largest unit that gives a whole number. */
export function splitInterval(seconds: number): { amount: number; unit: Unit } {
  for (const [unit, size] of UNITS)
    if (seconds >= size && seconds % size === 0) return { amount: seconds / size, unit };
  return { amount: seconds, unit: "second" };
}

export const secondsOf = (amount: number, unit: Unit): number =>
  amount * (UNITS.find(([name]) => name === unit)?.[1] ?? 1);

export const UNIT_NAMES: readonly Unit[] = UNITS.map(([name]) => name);
