/** Rows as a CSV file (RFC 4180): what the API said of each, values of several parts as JSON. */

/** A spreadsheet takes these for the begin of a formula. */
const FORMULA = /^[=+\-@\t\r]/;

export function csvOf(rows: readonly object[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => names.map((name) => field((row as Record<string, unknown>)[name])));
  return [names.map(field), ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

function field(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Give the reader these rows as a file. */
export function saveCsv(rows: readonly object[], name: string): void {
  const address = URL.createObjectURL(new Blob([csvOf(rows)], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${name.toLowerCase().replace(/[^a-z0-9_.-]+/g, "-")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
