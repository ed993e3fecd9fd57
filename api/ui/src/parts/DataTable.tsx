/** A table of any length: rows are made as they come into view. Row click opens, Space selects, J and K walk. */

import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, Download } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { counted } from "@/words/numbers";
import { Box } from "./choosing";
import { saveCsv } from "./csv";

export type Column<Row> = {
  key: string;
  head: ReactNode;
  /** A CSS track: "120px", "minmax(120px, 1fr)". */
  width: string;
  cell: (row: Row) => ReactNode;
  right?: boolean;
  /** The two ways this column sorts: for descending and ascending. */
  sorts?: { down: string; up: string };
  /** What a narrow screen does: leave it out, or show it in the second line. */
  narrow?: "hide" | "below";
};

type Props<Row> = {
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  onOpen?: (row: Row) => void;
  /** Keys of chosen rows; left out where rows can't be chosen. */
  chosen?: ReadonlySet<string>;
  onChoose?: (chosen: Set<string>) => void;
  sort?: string;
  onSort?: (sort: string) => void;
  /** Asked for when the end comes into view. */
  onEnd?: () => void;
  height?: number | string;
  rowHeight?: number;
  /** What a saved file holds of a row, when that is not the row itself. */
  saved?: (row: Row) => object;
};

export function DataTable<Row>(props: Props<Row>) {
  const { rows, columns, rowKey, chosen, onChoose, onOpen, onEnd } = props;
  const isNarrow = useMediaQuery("(max-width: 720px)") ?? false;
  const rowHeight = isNarrow ? 54 : (props.rowHeight ?? 32);
  const scroller = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState(-1);
  const anchor = useRef(-1);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    getItemKey: (at) => rowKey(rows[at] as Row),
  });
  const items = virtual.getVirtualItems();
  const last = items[items.length - 1]?.index ?? -1;
  useEffect(() => {
    if (onEnd && rows.length > 0 && last >= rows.length - 20) onEnd();
  }, [last, rows.length, onEnd]);

  const choose = useCallback(
    (at: number, on: boolean, withShift: boolean) => {
      if (!onChoose) return;
      const next = new Set(chosen);
      const from = withShift && anchor.current >= 0 ? anchor.current : at;
      for (let each = Math.min(from, at); each <= Math.max(from, at); each += 1) {
        const row = rows[each];
        if (row === undefined) continue;
        if (on) next.add(rowKey(row));
        else next.delete(rowKey(row));
      }
      anchor.current = at;
      onChoose(next);
    },
    [chosen, onChoose, rows, rowKey],
  );

  const walk = (event: KeyboardEvent) => {
    if ((event.target as HTMLElement).closest("input,textarea,select")) return;
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (step !== undefined) {
      const next = Math.min(rows.length - 1, Math.max(0, current + step));
      setCurrent(next);
      virtual.scrollToIndex(next);
      event.preventDefault();
      return;
    }
    const row = rows[current];
    if (row === undefined) return;
    if (event.key === "Enter" && event.target === scroller.current) onOpen?.(row);
    if (event.key === " " && chosen) {
      choose(current, !chosen.has(rowKey(row)), event.shiftKey);
      event.preventDefault();
    }
  };

  const tracks = [chosen ? "30px" : "", ...columns.map((column) => column.width)].filter(Boolean).join(" ");
  // Rows are grids of their own: all get the same least width, or their columns would not stand in line.
  const least = leastWidth(tracks);
  const chosenHere = chosen ? rows.filter((row) => chosen.has(rowKey(row))).length : 0;
  return (
    <div
      className="vt"
      ref={scroller}
      role="table"
      aria-label={props.label}
      aria-rowcount={rows.length + 1}
      tabIndex={0}
      onKeyDown={walk}
      style={{ height: props.height, "--tracks": tracks, "--least": `${least}px` } as React.CSSProperties}
    >
      <div className="vt-head" role="row">
        {chosen && (
          <span role="columnheader" className="vt-c">
            <Box
              label="Choose all rows"
              on={rows.length > 0 && chosenHere === rows.length}
              part={chosenHere > 0}
              onChange={(on) => onChoose?.(new Set(on ? rows.map(rowKey) : []))}
            />
          </span>
        )}
        {columns.map((column) => (
          <Head key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
        ))}
        <span role="columnheader" className="vt-save">
          <button
            type="button"
            aria-label={`Save as CSV: ${props.label}`}
            title={`Save ${counted(rows.length, "row")} as CSV`}
            onClick={() =>
              saveCsv(
                rows.map((row) => props.saved?.(row) ?? (row as object)),
                props.label,
              )
            }
          >
            <Download className="i s" />
          </button>
        </span>
      </div>
      <div role="rowgroup" className="vt-body" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index] as Row;
          const key = rowKey(row);
          const isChosen = chosen?.has(key) ?? false;
          return (
            <div
              key={key}
              role="row"
              aria-rowindex={item.index + 2}
              aria-selected={chosen ? isChosen : undefined}
              className={`vt-row${item.index === current ? " cur" : ""}${onOpen ? " opens" : ""}`}
              style={{ transform: `translateY(${item.start}px)`, height: rowHeight }}
              onClick={(event) => {
                if ((event.target as HTMLElement).closest("a,button,input,label")) return;
                if (window.getSelection()?.toString()) return;
                setCurrent(item.index);
                onOpen?.(row);
              }}
            >
              {chosen && (
                <span role="cell" className="vt-c">
                  <Box
                    label={`Choose row ${item.index + 1}`}
                    on={isChosen}
                    onChange={(on, shift) => choose(item.index, on, shift)}
                  />
                </span>
              )}
              {columns.map((column) => (
                <span
                  key={column.key}
                  role="cell"
                  className={`vt-c${column.right ? " r" : ""}${column.narrow ? ` n-${column.narrow}` : ""}`}
                >
                  {column.cell(row)}
                </span>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** The sum of the least widths of all tracks, with the padding at both ends. */
function leastWidth(tracks: string): number {
  const found = tracks.replace(/minmax\((\d+)px[^)]*\)/g, "$1px").match(/\d+(?=px)/g) ?? [];
  return found.reduce((sum, each) => sum + Number(each), 32);
}

function Head<Row>({
  column,
  sort,
  onSort,
}: {
  column: Column<Row>;
  sort?: string;
  onSort?: (sort: string) => void;
}) {
  const sorted =
    column.sorts && sort === column.sorts.down
      ? "down"
      : column.sorts && sort === column.sorts.up
        ? "up"
        : null;
  const classes = `vt-c${column.right ? " r" : ""}${sorted ? " sorted" : ""}${column.narrow ? ` n-${column.narrow}` : ""}`;
  const order = sorted === "down" ? "descending" : sorted === "up" ? "ascending" : undefined;
  if (!column.sorts || !onSort)
    return (
      <span role="columnheader" className={classes}>
        {column.head}
      </span>
    );
  const { down, up } = column.sorts;
  return (
    <span role="columnheader" className={classes} aria-sort={order}>
      <button type="button" onClick={() => onSort(sorted === "down" ? up : down)}>
        {column.head} {sorted === "down" && <ArrowDown className="i s" />}
        {sorted === "up" && <ArrowUp className="i s" />}
      </button>
    </span>
  );
}
