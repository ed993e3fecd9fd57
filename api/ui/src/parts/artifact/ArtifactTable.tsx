/** A table artifact: a list of rows, or columns by name, as JSON text or as values. */

import { type Column, DataTable } from "../DataTable";

type Row = { at: number; cells: Record<string, unknown> };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The rows of what a table artifact holds; null when it is no table. */
export function asRows(data: unknown): Record<string, unknown>[] | null {
  let value = data;
  if (typeof value === "string") {
    try {
      value = JSON.parse(value) as unknown;
    } catch {
      return null;
    }
  }
  if (Array.isArray(value)) {
    if (value.every(isRecord)) return value;
    if (value.every((row) => Array.isArray(row)))
      return value.map((row) =>
        Object.fromEntries((row as unknown[]).map((cell, at) => [String(at + 1), cell])),
      );
    return null;
  }
  if (!isRecord(value)) return null;
  const columns = Object.entries(value);
  if (columns.length === 0 || !columns.every(([, cells]) => Array.isArray(cells))) return null;
  const long = Math.max(...columns.map(([, cells]) => (cells as unknown[]).length));
  return Array.from({ length: long }, (_, at) =>
    Object.fromEntries(columns.map(([name, cells]) => [name, (cells as unknown[])[at]])),
  );
}

function text(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function ArtifactTable({ rows, label }: { rows: Record<string, unknown>[]; label: string }) {
  const names = [...new Set(rows.slice(0, 200).flatMap((row) => Object.keys(row)))];
  const columns: Column<Row>[] = names.map((name) => ({
    key: name,
    head: name,
    width: "minmax(110px, 1fr)",
    right: rows.slice(0, 20).every((row) => typeof row[name] === "number"),
    cell: ({ cells }) => (
      <span title={text(cells[name]).slice(0, 2_000)}>{text(cells[name]).slice(0, 500)}</span>
    ),
  }));
  return (
    <DataTable
      label={label}
      rows={rows.map((cells, at) => ({ at, cells }))}
      columns={columns}
      rowKey={(row) => String(row.at)}
      saved={(row) => row.cells}
      height={Math.min(420, 30 + rows.length * 32)}
    />
  );
}
