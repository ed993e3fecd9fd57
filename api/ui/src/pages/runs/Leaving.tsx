/** How a list leaves the page: as a file, and as a command. */

import { Download } from "lucide-react";
import { bodyOf, readPage, type RunAsk, type RunRow } from "@/data/runList";
import { totalOf } from "@/data/taskCounts";
import { useAct } from "@/parts/acting";
import { CopyAs, Menu } from "@/parts/overlays";
import { toast } from "@/parts/toasts";
import { figure } from "@/words/numbers";
import { valuesOf } from "@/words/query";

const MOST = 100_000;

async function readAll(ask: RunAsk): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  let cursor: string | null = null;
  do {
    const page: { rows: RunRow[]; cursor: string | null } = await readPage(ask, cursor, 200);
    rows.push(...page.rows);
    cursor = page.cursor;
  } while (cursor && rows.length < MOST);
  if (cursor) toast({ text: `The file has the first ${figure(MOST)} runs.` });
  return rows;
}

/** A value for a spreadsheet: never taken for a formula. */
function cell(value: unknown): string {
  const plain = value === null || value === undefined ? "" : String(value);
  const text = /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const CSV: readonly (readonly [string, (run: RunRow) => unknown])[] = [
  ["id", (run) => run.id],
  ["name", (run) => run.name],
  ["state", (run) => run.state_name],
  ["reason", (run) => run.reason],
  ["flow", (run) => run.flow_name],
  ["deployment", (run) => run.deployment_name],
  ["flow_run", (run) => run.flow_run_name],
  ["work_pool", (run) => run.work_pool_name],
  ["expected_start", (run) => run.expected_start_time],
  ["start", (run) => run.start_time],
  ["end", (run) => run.end_time],
  ["tasks", (run) => (run.tasks ? totalOf(run.tasks) : "")],
  ["tries", (run) => run.run_count],
  ["tags", (run) => (run.tags ?? []).join(" ")],
];

export function csvOf(rows: readonly RunRow[]): string {
  const head = CSV.map(([name]) => name).join(",");
  return [head, ...rows.map((run) => CSV.map(([, read]) => cell(read(run))).join(","))].join("\r\n");
}

function saveFile(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function Leaving({ ask }: { ask: RunAsk }) {
  const [run, isBusy] = useAct();
  const save = (kind: "csv" | "json") =>
    void run("The file was not made", async () => {
      const rows = await readAll(ask);
      if (kind === "csv") saveFile(`${ask.kind}-runs.csv`, "text/csv", csvOf(rows));
      else saveFile(`${ask.kind}-runs.json`, "application/json", JSON.stringify(rows, null, 2));
    });
  const path = `/heliostat/${ask.kind}_runs/search`;
  const body = { ...bodyOf(ask), sort: ask.sort };
  return (
    <>
      <Menu
        label="Export"
        items={[
          { text: "CSV", act: () => save("csv") },
          { text: "JSON", act: () => save("json") },
        ]}
        button={
          <button type="button" className="btn" disabled={isBusy}>
            <Download className="i" /> {isBusy ? "Reading…" : "Export"}
          </button>
        }
      />
      <CopyAs
        commands={{ cli: cliOf(ask), api: { method: "POST", path, body }, python: pythonOf(path, body) }}
      />
    </>
  );
}

/** The command that lists the same, where the command line can say it. */
function cliOf(ask: RunAsk): string | undefined {
  if (ask.kind !== "flow") return undefined;
  const states = valuesOf(ask.q, "state").map((state) => ` --state ${state.toUpperCase()}`);
  const flows = valuesOf(ask.q, "flow");
  const rest = flows.length === 1 && !flows[0]?.includes("*") ? ` --flow ${flows[0]}` : "";
  return `heliostat flow-run ls${states.join("")}${rest}`;
}

function pythonOf(path: string, body: unknown): string {
  return [
    "import httpx",
    "",
    `answer = httpx.post("${document.baseURI.replace(/\/$/, "")}/api${path}", json=${pythonLiteral(body)})`,
    "for run in answer.json()['rows']:",
    "    print(run['name'], run['state_name'])",
  ].join("\n");
}

function pythonLiteral(value: unknown): string {
  return JSON.stringify(value, null, 4)
    .replace(/\btrue\b/g, "True")
    .replace(/\bfalse\b/g, "False")
    .replace(/\bnull\b/g, "None");
}
