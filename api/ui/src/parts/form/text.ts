import { parseDocument, stringify } from "yaml";

export type TextKind = "json" | "yaml";

export function writtenAs(kind: TextKind, value: unknown): string {
  return kind === "json" ? JSON.stringify(value, null, 2) : stringify(value ?? {});
}

export function parseText(kind: TextKind, text: string): { value: unknown } | { problem: string } {
  try {
    if (kind === "json") return { value: JSON.parse(text) as unknown };
    const document = parseDocument(text);
    const [first] = document.errors;
    return first
      ? { problem: first.message.split("\n")[0] ?? "This is not YAML." }
      : { value: document.toJS() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
