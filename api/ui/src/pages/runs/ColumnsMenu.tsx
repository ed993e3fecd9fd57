import { Popover } from "@mantine/core";
import { Columns3 } from "lucide-react";
import { useMemo, useState } from "react";
import type { RunKind } from "@/data/runList";
import { Box } from "@/parts/choosing";
import type { RunColumn } from "./runColumns";

type Chosen = {
  all: readonly RunColumn[];
  shown: readonly RunColumn[];
  isShown: (key: string) => boolean;
  show: (key: string, on: boolean) => void;
};

const keyOf = (kind: RunKind) => `heliostat-columns-${kind}`;

function kept(kind: RunKind): string[] | null {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(kind)) ?? "null");
    return Array.isArray(found) ? found.map(String) : null;
  } catch {
    return null; // no storage, or what lies there is not ours
  }
}

/** Which columns this reader wants, kept in the browser. */
export function useColumns(kind: RunKind, all: readonly RunColumn[]): Chosen {
  const [own, setOwn] = useState<Partial<Record<RunKind, string[]>>>({});
  return useMemo(() => {
    const keys =
      own[kind] ?? kept(kind) ?? all.filter((column) => column.atFirst).map((column) => column.key);
    const isShown = (key: string) => keys.includes(key);
    return {
      all,
      shown: all.filter((column) => !column.optional || isShown(column.key)),
      isShown,
      show: (key, on) => {
        const next = on ? [...keys, key] : keys.filter((each) => each !== key);
        setOwn((old) => ({ ...old, [kind]: next }));
        try {
          localStorage.setItem(keyOf(kind), JSON.stringify(next));
        } catch {
          // the choice lasts as long as the page
        }
      },
    };
  }, [kind, all, own]);
}

export function ColumnsMenu({ columns }: { columns: Chosen }) {
  return (
    <Popover position="bottom-end" offset={4} classNames={{ dropdown: "m-menu" }} trapFocus withinPortal>
      <Popover.Target>
        <button type="button" className="btn">
          <Columns3 className="i" /> Columns
        </button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Columns">
        <div className="cols-menu">
          {columns.all
            .filter((column) => column.optional)
            .map((column) => (
              <label key={column.key}>
                <Box
                  label={column.title}
                  on={columns.isShown(column.key)}
                  onChange={(on) => columns.show(column.key, on)}
                />
                {column.title}
              </label>
            ))}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
