/** From what was typed to a JSON value and back. What means no value stays text: the server says what is wrong with it. */

import { NULLABLE, type Schema, UNION } from "./shape";

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

/** An emptied field is nothing where nothing is allowed, and no value of its own elsewhere. */
export const emptied = (schema: Schema) => (schema[NULLABLE] === true ? null : undefined);

export function readNumber(text: string, schema: Schema): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return emptied(schema);
  return NUMBER.test(trimmed) ? Number(trimmed) : text;
}

export function readText(text: string, schema: Schema): unknown {
  return text === "" && schema[NULLABLE] === true ? null : text;
}

export function readUnion(text: string, schema: Schema): unknown {
  const types = Array.isArray(schema[UNION]) ? (schema[UNION] as string[]) : [];
  const trimmed = text.trim();
  if (trimmed === "" && !types.includes("string")) return emptied(schema);
  if (types.includes("boolean") && /^(true|false)$/i.test(trimmed)) return trimmed.toLowerCase() === "true";
  if ((types.includes("integer") || types.includes("number")) && NUMBER.test(trimmed)) return Number(trimmed);
  return readText(text, schema);
}

export function readJson(text: string, schema: Schema): unknown {
  if (text.trim() === "") return emptied(schema);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export function writeText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function writeJson(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  const flat = JSON.stringify(value);
  return flat.length <= 72 ? flat : JSON.stringify(value, null, 2);
}
