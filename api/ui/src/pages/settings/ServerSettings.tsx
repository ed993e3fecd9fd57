/** The settings in force, where each comes from, and how to change it. */

import { useQuery } from "@tanstack/react-query";
import { type Setting, settingsQuery } from "@/data/condition";
import { useUrlState } from "@/data/urlState";
import { Switch } from "@/parts/choosing";
import { copy } from "@/parts/copying";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { Loaded } from "@/parts/places";

type Row = Setting & { name: string };

const WHENCE: Record<string, string> = {
  env: "environment",
  default: "default",
  profile: "profile",
  test: "test",
};

const COLUMNS: readonly Column<Row>[] = [
  {
    key: "name",
    head: "Setting",
    width: "minmax(220px, 1fr)",
    cell: (row) => <code title={row.name}>{row.name}</code>,
  },
  {
    key: "value",
    head: "Value",
    width: "minmax(160px, 1fr)",
    cell: (row) => <code title={row.value}>{row.value || "none"}</code>,
  },
  {
    key: "source",
    head: "From",
    width: "110px",
    narrow: "hide",
    cell: (row) => WHENCE[row.source] ?? row.source,
  },
  {
    key: "about",
    head: "What it does",
    width: "minmax(240px, 2fr)",
    narrow: "below",
    cell: (row) => (
      <span className="q" title={row.about}>
        {row.about}
      </span>
    ),
  },
];

export function ServerSettings() {
  const [text, setText] = useUrlState("q");
  const [only, setOnly] = useUrlState("changed");
  const query = useQuery(settingsQuery);
  return (
    <>
      <div className="gbar">
        <SearchField label="Part of a name" value={text} onChange={(event) => setText(event.target.value)} />
        <span className="row">
          <Switch
            on={only === "yes"}
            label="Only settings that differ from their default"
            onChange={(on) => setOnly(on ? "yes" : "")}
          />
          <span className="m sm">only what differs from its default</span>
        </span>
      </div>
      <Loaded query={query} what="The settings">
        {(settings) => {
          const rows = Object.entries(settings)
            .map(([name, setting]) => ({ name, ...setting }))
            .filter(
              (row) => row.name.includes(text.toLowerCase()) && (only !== "yes" || row.source !== "default"),
            );
          return (
            <DataTable
              label="Settings of the server. Opening a row copies the command that changes it."
              rows={rows}
              columns={COLUMNS}
              rowKey={(row) => row.name}
              onOpen={(row) => void copy(`heliostat config set ${row.name}=`, "Command")}
            />
          );
        }}
      </Loaded>
    </>
  );
}
