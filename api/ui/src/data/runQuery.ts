/** The query line of runs as the terms that the server takes. */

import { boundsOf, secondsOf, spanOf, split, type Token, tokens } from "@/words/query";
import { post } from "./client";

export type Term = {
  field: string;
  values?: string[];
  negated?: boolean;
  key?: string;
  at_least?: number;
  at_most?: number;
  after?: string;
  before?: string;
};

export type Problem = { token: Token; text: string };

const NAMED = new Set([
  "state",
  "flow",
  "deployment",
  "pool",
  "queue",
  "tag",
  "name",
  "id",
  "version",
  "run",
  "task",
]);
const OTHER_NAMES: Readonly<Record<string, string>> = {
  tags: "tag",
  work_pool: "pool",
  work_queue: "queue",
  time: "started",
};

/** What a term may begin with, with an example of its value. */
export const RUN_FIELDS: readonly (readonly [string, string])[] = [
  ["state", "failed, late, waiting"],
  ["flow", "orders-*"],
  ["deployment", "nightly"],
  ["pool", "default"],
  ["queue", "urgent"],
  ["tag", "prod"],
  ["param.", "region:eu"],
  ["tasks", ">1000"],
  ["took", ">5m"],
  ["started", "last 24h"],
  ["tries", ">1"],
  ["task", "load*"],
  ["run", "amber-*"],
  ["version", "1.2"],
  ["id", "a run's id"],
];

export const STATE_WORDS: readonly string[] = [
  "failed",
  "crashed",
  "late",
  "waiting",
  "running",
  "paused",
  "completed",
  "cancelled",
  "scheduled",
  "pending",
  "cancelling",
  "retrying",
  "awaitingretry",
  "timedout",
];

/** The terms of a text, and what in it is not understood. Relative times count from `now`. */
export function termsOf(text: string, now: Date): { terms: Term[]; problems: Problem[] } {
  const terms: Term[] = [];
  const problems: Problem[] = [];
  for (const token of tokens(text)) {
    const made = termOf(token, now);
    if (typeof made === "string") problems.push({ token, text: made });
    else if (made) terms.push(made);
  }
  return { terms, problems };
}

function termOf(token: Token, now: Date): Term | string | null {
  const { value, negated } = token;
  const field = OTHER_NAMES[token.field] ?? token.field;
  if (!field) return value ? { field: "name", values: [value], negated } : null;
  if (field.startsWith("param."))
    return { field: "param", key: field.slice(6), values: split(value), negated };
  if (NAMED.has(field)) {
    const values = split(value);
    return values.length > 0 ? { field, values, negated } : `${field}: a value is missing`;
  }
  if (field === "tasks" || field === "tries" || field === "took") {
    const read = field === "took" ? secondsOf : whole;
    const bounds = boundsOf(value, read);
    if (!bounds) return field === "took" ? "took: a length such as >5m" : `${field}: a number such as >1000`;
    // Whole numbers: more than 1,000 is at least 1,001.
    const more = value.startsWith(">") && !value.startsWith(">=") && field !== "took" ? 1 : 0;
    const less = value.startsWith("<") && !value.startsWith("<=") && field !== "took" ? 1 : 0;
    const term: Term = { field, negated };
    if (bounds.least !== null) term.at_least = bounds.least + more;
    if (bounds.most !== null) term.at_most = bounds.most - less;
    return term;
  }
  if (field === "started") {
    const span = spanOf(value, now);
    if (!span) return "started: a time such as last 24h, today or >2026-11-26";
    const term: Term = { field, negated };
    if (span.after) term.after = span.after.toISOString();
    if (span.before) term.before = span.before.toISOString();
    return term;
  }
  return `${field}: there is no such field`;
}

function whole(text: string): number | null {
  return /^\d+$/.test(text.trim()) ? Number(text) : null;
}

const COMPLETED = new Set(["flow", "deployment", "pool", "queue", "tag"]);

/** What may follow where the reader types: names of fields, or values from the server. */
export async function completionsOf(token: Token | null, signal?: AbortSignal): Promise<string[]> {
  if (!token || !token.field) {
    const beginning = (token?.value ?? "").toLowerCase();
    return RUN_FIELDS.map(([name]) => (name.endsWith(".") ? name : `${name}:`)).filter((name) =>
      name.startsWith(beginning),
    );
  }
  const last = token.value.split(",").pop() ?? "";
  const before = token.value.slice(0, token.value.length - last.length);
  const shown = (values: string[]) =>
    values.map((value) => `${token.field}:${before}${/\s/.test(value) ? `"${value}"` : value}`);
  if (token.field === "state")
    return shown(STATE_WORDS.filter((word) => word.startsWith(last.toLowerCase()) && word !== last));
  if (token.field === "started")
    return shown(
      ["last 1h", "last 24h", "last 7d", "today", "yesterday"].filter((each) => each.startsWith(last)),
    );
  if (!COMPLETED.has(token.field)) return [];
  const found = await post<string[]>(
    "/heliostat/run_query/completions",
    { field: token.field, beginning: last.replaceAll("*", "") },
    { signal },
  );
  return shown(found.filter((value) => value !== last));
}

/** The names of parameters that begin so, as fields. */
export async function parametersOf(beginning: string, signal?: AbortSignal): Promise<string[]> {
  const found = await post<string[]>(
    "/heliostat/run_query/completions",
    { field: "param", beginning },
    { signal },
  );
  return found.map((name) => `param.${name}:`);
}
