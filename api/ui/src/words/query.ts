/** The text of a query line as tokens: `state:failed flow:orders-* -tag:staging tasks:>1000 "two words"`. */

export type Token = {
  /** The word before the colon; "" for a bare word. */
  field: string;
  value: string;
  negated: boolean;
  start: number;
  end: number;
};

const FIELD = /^[a-z_][\w.]*:/i;
const SPAN = /^\s+\d+(?:\.\d+)?\s*(?:ms|s|m|min|h|d|w)?\b/i;

/** The tokens of a text, in order. A value may be quoted; `last 24h` is one value, its space included. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? "")) {
      at += 1;
      continue;
    }
    const start = at;
    let negated = false;
    if ((text[at] === "-" || text[at] === "!") && /[^\s]/.test(text[at + 1] ?? "")) {
      negated = true;
      at += 1;
    }
    const field = FIELD.exec(text.slice(at))?.[0] ?? "";
    at += field.length;
    if (field && (text[at] === "-" || text[at] === "!") && /[^\s\d]/.test(text[at + 1] ?? "")) {
      negated = !negated;
      at += 1;
    }
    const [value, end] = valueAt(text, at);
    at = end;
    if (field && value.toLowerCase() === "last") {
      const span = SPAN.exec(text.slice(at))?.[0];
      if (span) {
        found.push({
          field: nameOf(field),
          value: `last ${span.trim()}`,
          negated,
          start,
          end: at + span.length,
        });
        at += span.length;
        continue;
      }
    }
    found.push({ field: nameOf(field), value, negated, start, end });
  }
  return found;
}

function nameOf(field: string): string {
  const name = field.slice(0, -1);
  return name.toLowerCase().startsWith("param.") ? `param.${name.slice(6)}` : name.toLowerCase();
}

/** The value that begins there, without its quotes, and where it ends. A bare /regex/ may have spaces. */
function valueAt(text: string, start: number): [string, number] {
  let at = start;
  let value = "";
  if (text[at] === "/") {
    const end = /^\/(?:\\.|[^/\\])+\/(?=\s|$)/.exec(text.slice(at));
    if (end) return [end[0], at + end[0].length];
  }
  while (at < text.length && !/\s/.test(text[at] ?? "")) {
    if (text[at] === '"') {
      const close = text.indexOf('"', at + 1);
      const end = close < 0 ? text.length : close;
      value += text.slice(at + 1, end);
      at = Math.min(text.length, end + 1);
    } else {
      value += text[at];
      at += 1;
    }
  }
  return [value, at];
}

/** A token as it is written. */
export function written(field: string, value: string, negated = false): string {
  const quoted =
    value === "" || (/[\s"]/.test(value) && !/^last \d/.test(value))
      ? `"${value.replaceAll('"', "")}"`
      : value;
  return `${negated ? "-" : ""}${field ? `${field}:` : ""}${quoted}`;
}

/** The text with the tokens of a field replaced by this value; without one they are taken out. */
export function withToken(text: string, field: string, value: string | null): string {
  let rest = text;
  for (const token of tokens(text).reverse())
    if (token.field === field) rest = rest.slice(0, token.start) + rest.slice(token.end);
  rest = rest.replace(/\s+/g, " ").trim();
  return value === null ? rest : `${rest} ${written(field, value)}`.trim();
}

/** The values of a field, over all its tokens. */
export function valuesOf(text: string, field: string): string[] {
  return tokens(text)
    .filter((token) => token.field === field && !token.negated)
    .flatMap((token) => split(token.value));
}

/** "a,b" as its parts. */
export function split(value: string): string[] {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}

/** The text with a value of a field switched on or off: `state:failed` and crashed → `state:failed,crashed`. */
export function toggled(text: string, field: string, value: string): string {
  const now = valuesOf(text, field);
  const next = now.includes(value) ? now.filter((each) => each !== value) : [...now, value];
  return withToken(text, field, next.length > 0 ? next.join(",") : null);
}

const SECONDS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  m: 60,
  min: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/** "90", "1.5m", "2 h" as seconds; null for what is no length. */
export function secondsOf(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d|w)?$/i.exec(text.trim());
  if (!found) return null;
  return Number(found[1]) * (SECONDS[(found[2] ?? "s").toLowerCase()] ?? 1);
}

export type Bounds = { least: number | null; most: number | null };

/** ">1000", "<=5", "2..7", "3" as bounds; null for what is none. */
export function boundsOf(text: string, read: (part: string) => number | null): Bounds | null {
  const range = /^(.*?)\.\.(.*)$/.exec(text);
  if (range) {
    const least = range[1] ? read(range[1]) : null;
    const most = range[2] ? read(range[2]) : null;
    return (range[1] && least === null) || (range[2] && most === null) ? null : { least, most };
  }
  const found = /^(>=|<=|>|<|=)?(.+)$/.exec(text);
  const value = found?.[2] === undefined ? null : read(found[2]);
  if (value === null) return null;
  if (found?.[1] === ">=" || found?.[1] === ">") return { least: value, most: null };
  if (found?.[1] === "<=" || found?.[1] === "<") return { least: null, most: value };
  return { least: value, most: value };
}

export type Span = { after: Date | null; before: Date | null };

/** "last 24h", "today", ">2026-11-26", "2026-11-26T10:00..2026-11-26T12:00" as moments; null for what is none. */
export function spanOf(text: string, now: Date): Span | null {
  const word = text.trim().toLowerCase();
  const last = /^last\s+(.+)$/.exec(word) ?? /^(\d+(?:\.\d+)?\s*(?:s|m|min|h|d|w))$/.exec(word);
  if (last) {
    const seconds = secondsOf(last[1] ?? "");
    return seconds === null ? null : { after: new Date(now.getTime() - seconds * 1000), before: null };
  }
  if (word === "today") return { after: midnight(now, 0), before: null };
  if (word === "yesterday") return { after: midnight(now, -1), before: midnight(now, 0) };
  const range = /^(.*?)\.\.(.*)$/.exec(text.trim());
  if (range) {
    const after = range[1] ? momentOf(range[1]) : null;
    const before = range[2] ? momentOf(range[2]) : null;
    return (range[1] && !after) || (range[2] && !before) ? null : { after, before };
  }
  const found = /^(>=?|<=?)?(.+)$/.exec(text.trim());
  const at = momentOf(found?.[2] ?? "");
  if (!at) return null;
  if (found?.[1]?.startsWith("<")) return { after: null, before: at };
  if (found?.[1]) return { after: at, before: null };
  return /T/.test(found?.[2] ?? "")
    ? { after: at, before: null }
    : { after: at, before: new Date(at.getTime() + 86_400_000) };
}

function midnight(now: Date, days: number): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
}

/** A day or a moment, in the browser's zone unless it names one. */
function momentOf(text: string): Date | null {
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text.trim());
  if (day) return new Date(Number(day[1]), Number(day[2]) - 1, Number(day[3]));
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text.trim())) return null;
  const at = new Date(text.trim());
  return Number.isNaN(at.getTime()) ? null : at;
}

/** A stretch of time as a query's value has it: to the second, in UTC. */
export function spanText(after: Date, before: Date): string {
  const short = (at: Date) => at.toISOString().replace(/\.\d+Z$/, "Z");
  return `${short(after)}..${short(before)}`;
}
