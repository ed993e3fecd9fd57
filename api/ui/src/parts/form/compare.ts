/** Values of a form against those that they started from, and where the server found something wrong. */

import { AS_JSON, isRecord, type Schema } from "./shape";

export type Path = readonly (string | number)[];

export function valueAt(value: unknown, path: Path): unknown {
  let found: unknown = value;
  for (const step of path)
    found = found === null ? undefined : (found as Record<string | number, unknown>)?.[step];
  return found;
}

/** Equal as JSON; what is not given equals nothing. */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (one === undefined || other === undefined || one === null || other === null)
    return (one ?? null) === (other ?? null);
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((each, at) => isSame(each, other[at]));
  if (!isRecord(one) || !isRecord(other)) return false;
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].every((key) =>
    isSame(one[key], other[key]),
  );
}

/** A value on one line, for "was …" and lists of differences. */
export function brief(value: unknown, most = 40): string {
  if (value === undefined || value === null) return "none";
  if (value === "") return "empty";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

export type Difference = { name: string; was: unknown; is: unknown };

export function differences(base: Schema, value: Schema): Difference[] {
  const names = [...new Set([...Object.keys(base), ...Object.keys(value)])];
  return names
    .filter((name) => !isSame(base[name], value[name]))
    .map((name) => ({ name, was: base[name], is: value[name] }));
}

/** Only what differs: what has to be sent. What was taken away is sent as nothing. */
export function changed(base: Schema, value: Schema): Schema {
  return Object.fromEntries(differences(base, value).map(({ name, is }) => [name, is ?? null]));
}

/** Defaults that the schema itself gives. */
export function defaultsOf(schema: unknown): Schema {
  const properties = isRecord(schema) && isRecord(schema["properties"]) ? schema["properties"] : {};
  const found: Schema = {};
  for (const [name, each] of Object.entries(properties))
    if (isRecord(each) && each["default"] !== undefined) found[name] = each["default"];
  return found;
}

/** The server's nested answer: a text, or `{property | index, errors}` around inner ones. */
export type Problem = string | { property?: string; index?: number; errors: Problem[] };
export type PlacedProblem = { path: (string | number)[]; text: string };

export function placed(problems: readonly Problem[], path: Path = []): PlacedProblem[] {
  return problems.flatMap((each) => {
    if (typeof each === "string") return [{ path: [...path], text: each }];
    const step = each.property ?? each.index;
    return placed(each.errors, step === undefined ? path : [...path, step]);
  });
}

const MISSING = /^'?([^']+)'? is a required property$/;

/** A property that is missing is told at its own field, not at the object around it. */
export function atFields(problems: readonly PlacedProblem[]): PlacedProblem[] {
  return problems.map((each) => {
    const name = MISSING.exec(each.text)?.[1];
    if (!name) return each;
    const path = each.path.at(-1) === name ? each.path : [...each.path, name];
    return { path, text: "A value is required." };
  });
}

function resolved(schema: unknown, root: Schema): unknown {
  const ref = isRecord(schema) ? schema["$ref"] : undefined;
  if (typeof ref !== "string" || !ref.startsWith("#/")) return schema;
  const found = valueAt(root, ref.slice(2).split("/"));
  return isRecord(found) ? { ...found, ...(schema as Schema) } : schema;
}

/** A problem inside a value that has one field of its own stands at that field, with the place in its words. */
export function atControls(problems: readonly PlacedProblem[], shaped: Schema): PlacedProblem[] {
  return problems.map(({ path, text }) => {
    let schema: unknown = shaped;
    let at = 0;
    for (; at < path.length; at += 1) {
      const step = path[at] as string | number;
      const here = resolved(schema, shaped);
      if (!isRecord(here)) break;
      if ("anyOf" in here || "oneOf" in here) return { path, text };
      const next = typeof step === "number" ? here["items"] : valueAt(here["properties"], [step]);
      if (AS_JSON in here || !isRecord(next)) break;
      schema = next;
    }
    // Items of lists have fields only where they are objects.
    const owner = path.slice(0, at);
    const inList =
      typeof owner.at(-1) === "number" && !isRecord(valueAt(resolved(schema, shaped), ["properties"]));
    const kept = inList ? owner.slice(0, -1) : owner;
    const rest = path.slice(kept.length);
    return rest.length === 0 || kept.length === 0
      ? { path, text }
      : { path: [...kept], text: `${rest.join(".")}: ${text}` };
  });
}

type Nested = { __errors?: string[]; [step: string]: unknown };

/** The same as the form library nests it. */
export function nested(problems: readonly PlacedProblem[]): Nested {
  const top: Nested = {};
  for (const { path, text } of problems) {
    let place = top;
    for (const step of path) place = (place[step] ??= {}) as Nested;
    (place.__errors ??= []).push(text);
  }
  return top;
}
