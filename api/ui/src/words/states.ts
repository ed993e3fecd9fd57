/** The states of runs as the pages show them: one kind a colour and shape, in one order everywhere. */

export type Kind =
  "failed" | "crashed" | "cancelled" | "completed" | "running" | "paused" | "late" | "pending" | "scheduled";

export type Glyph =
  | "completed"
  | "cached"
  | "running"
  | "retrying"
  | "failed"
  | "timedout"
  | "crashed"
  | "late"
  | "paused"
  | "cancelled"
  | "cancelling"
  | "scheduled"
  | "pending"
  | "notready"
  | "none";

export type StateLike = { type?: string | null; name?: string | null } | null | undefined;

/** The order of kinds in bars and counts: trouble first. */
export const KIND_ORDER: readonly Kind[] = [
  "failed",
  "crashed",
  "cancelled",
  "completed",
  "running",
  "paused",
  "late",
  "pending",
  "scheduled",
];

export const FINAL_TYPES: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]);

const KIND_OF_TYPE: Readonly<Record<string, Kind>> = {
  COMPLETED: "completed",
  FAILED: "failed",
  CRASHED: "crashed",
  CANCELLED: "cancelled",
  CANCELLING: "cancelled",
  RUNNING: "running",
  PAUSED: "paused",
  PENDING: "pending",
  SCHEDULED: "scheduled",
};

const GLYPH_OF_NAME: Readonly<Record<string, Glyph>> = {
  Cached: "cached",
  Retrying: "retrying",
  TimedOut: "timedout",
  Cancelling: "cancelling",
  NotReady: "notready",
  AwaitingRetry: "retrying",
  Late: "late",
};

/** The kind that a state's type and name give: "late" only for a scheduled run that is named Late. */
export function kindOf(type: string | null | undefined, name?: string | null): Kind {
  if (type === "SCHEDULED" && name === "Late") return "late";
  return KIND_OF_TYPE[type ?? ""] ?? "pending";
}

export function glyphOf(type: string | null | undefined, name?: string | null): Glyph {
  const special = name ? GLYPH_OF_NAME[name] : undefined;
  if (special === "retrying" && type === "SCHEDULED") return "scheduled";
  if (special) return special;
  if (type === "CANCELLING") return "cancelling";
  return KIND_OF_TYPE[type ?? ""] ?? "none";
}

/** The word of a state: its own name, set apart where names are written together ("TimedOut" → "Timed out"). */
export function wordOf(type: string | null | undefined, name?: string | null): string {
  const word = name ?? type ?? "no state";
  const parts = word.replace(/([a-z])([A-Z])/g, "$1 $2");
  return parts === word ? word : parts.charAt(0) + parts.slice(1).toLowerCase();
}

export function isFinal(type: string | null | undefined): boolean {
  return FINAL_TYPES.has(type ?? "");
}
