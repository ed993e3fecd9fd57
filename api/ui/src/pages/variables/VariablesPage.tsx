import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { useUrlState } from "@/data/urlState";
import { deleteVariable, type Variable, variablesQuery } from "@/data/variables";
import { Button } from "@/parts/Button";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { Tags, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Time } from "@/parts/Time";
import { VariableDialog } from "./VariableDialog";

const SHOWN = 300;

function columns(edit: (variable: Variable) => void, drop: (variable: Variable) => void): Column<Variable>[] {
  return [
    {
      key: "name",
      head: "Name",
      width: "minmax(160px, 1fr)",
      cell: (each) => (
        <span className="name mono" title={each.name}>
          {each.name}
        </span>
      ),
    },
    {
      key: "value",
      head: "Value",
      width: "minmax(200px, 2fr)",
      narrow: "below",
      cell: (each) => {
        const text = JSON.stringify(each.value);
        return (
          <code className="m" title={text.slice(0, 2_000)}>
            {text.slice(0, SHOWN)}
          </code>
        );
      },
    },
    { key: "tags", head: "Tags", width: "180px", narrow: "hide", cell: (each) => <Tags tags={each.tags} /> },
    {
      key: "updated",
      head: "Changed",
      width: "120px",
      right: true,
      narrow: "hide",
      cell: (each) => <Time at={each.updated} />,
    },
    {
      key: "acts",
      head: <span className="sr">Actions</span>,
      width: "90px",
      right: true,
      cell: (each) => (
        <>
          <Button quiet small icon label={`Change ${each.name}`} onClick={() => edit(each)}>
            <Pencil className="i s" />
          </Button>
          <Button quiet small icon label={`Delete ${each.name}`} onClick={() => drop(each)}>
            <Trash2 className="i s" />
          </Button>
        </>
      ),
    },
  ];
}

export default function VariablesPage() {
  const [text, setText] = useUrlState("q");
  const [open, setOpen] = useState<Variable | "new" | null>(null);
  const [doomed, setDoomed] = useState<Variable | null>(null);
  const query = useQuery(variablesQuery(text));
  const queries = useQueryClient();
  const shape = useMemo(() => columns(setOpen, setDoomed), []);
  return (
    <>
      <Title title="Variables" sub="small values that flows and deployments read by name">
        <CopyAs
          commands={{
            cli: "heliostat api POST /variables/filter",
            api: { method: "POST", path: "/variables/filter", body: {} },
          }}
          json={query.data}
        />
        <Button sun onClick={() => setOpen("new")}>
          <Plus className="i" /> New variable
        </Button>
      </Title>
      <div className="gbar bt">
        <SearchField label="Part of a name" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <Loaded query={query} what="The list of variables">
        {(variables) =>
          variables.length === 0 ? (
            <Empty
              title={text ? "No variable has this in its name" : "No variables yet"}
              text="A variable is read in a flow by its name, and in a deployment's parameters by a template."
              command={
                text
                  ? undefined
                  : `heliostat api POST /variables/ --data '{"name": "region", "value": "eu-south"}'`
              }
            >
              <Button onClick={() => setOpen("new")}>
                <Plus className="i" /> New variable
              </Button>
            </Empty>
          ) : (
            <DataTable
              label="Variables"
              rows={variables}
              columns={shape}
              rowKey={(each) => each.id}
              onOpen={setOpen}
            />
          )
        }
      </Loaded>
      <VariableDialog variable={open} onClose={() => setOpen(null)} />
      <ConfirmDestroy
        open={doomed !== null}
        title={`Delete variable ${doomed?.name ?? ""}?`}
        losses={[
          "Flows that read it get their default, or fail.",
          "Runs that have begun keep what they have read.",
        ]}
        verb="Delete variable"
        onClose={() => setDoomed(null)}
        act={async () => {
          if (doomed) await deleteVariable(doomed.id);
          await queries.invalidateQueries({ queryKey: ["variables"] });
        }}
      />
    </>
  );
}
