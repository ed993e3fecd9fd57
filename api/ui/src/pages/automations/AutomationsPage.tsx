import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useMemo } from "react";
import { type Automation, automationsQuery, enableAutomation, firingsQuery } from "@/data/automations";
import { type Event, resourceId } from "@/data/events";
import { useAct } from "@/parts/acting";
import { ButtonLink } from "@/parts/Button";
import { Switch } from "@/parts/choosing";
import { type Column, DataTable } from "@/parts/DataTable";
import { CopyAs } from "@/parts/overlays";
import { Tags, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Ago } from "@/parts/Time";
import { automationInWords } from "@/words/automations";
import { counted } from "@/words/numbers";

export default function AutomationsPage() {
  const query = useQuery(automationsQuery);
  const firings = useQuery(firingsQuery()).data?.events;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [run, busy] = useAct();
  const last = useMemo(() => newestOf(firings ?? []), [firings]);
  const columns: Column<Automation>[] = [
    {
      key: "on",
      head: <span className="sr">On</span>,
      width: "52px",
      cell: (each) => (
        <Switch
          on={each.enabled}
          disabled={busy}
          label={`${each.name} is ${each.enabled ? "on" : "off"}`}
          onChange={(on) =>
            void run(on ? "Not switched on" : "Not switched off", async () => {
              await enableAutomation(each.id, on);
              await queries.invalidateQueries({ queryKey: ["automations"] });
            })
          }
        />
      ),
    },
    {
      key: "name",
      head: "Name",
      width: "minmax(160px, 1fr)",
      cell: (each) => (
        <span className="name" title={each.description || each.name}>
          {each.name}
        </span>
      ),
    },
    {
      key: "does",
      head: "What it does",
      width: "minmax(240px, 3fr)",
      narrow: "below",
      cell: (each) => {
        const text = each.paused_reason ?? automationInWords(each);
        return (
          <span className={each.paused_reason ? "t-late" : "m"} title={text}>
            {text}
          </span>
        );
      },
    },
    {
      key: "fired",
      head: "Fired",
      width: "110px",
      right: true,
      narrow: "hide",
      cell: (each) => {
        const at = last.get(each.id);
        return at ? <Ago at={at} /> : <span className="q">not lately</span>;
      },
    },
    { key: "tags", head: "Tags", width: "150px", narrow: "hide", cell: (each) => <Tags tags={each.tags} /> },
  ];
  return (
    <>
      <Title title="Automations" sub={query.data && counted(query.data.length, "automation")}>
        <CopyAs
          commands={{ api: { method: "POST", path: "/automations/filter", body: {} } }}
          json={query.data}
        />
        <ButtonLink sun to="/automations/new">
          <Plus className="i" /> New automation
        </ButtonLink>
      </Title>
      <Loaded query={query} what="The list of automations">
        {(automations) =>
          automations.length === 0 ? (
            <Empty title="No automations yet" text="An automation acts when something happens, or does not.">
              <ButtonLink to="/automations/new">
                <Plus className="i" /> New automation
              </ButtonLink>
              <ButtonLink quiet to="/notifications">
                Only tell me of failures
              </ButtonLink>
            </Empty>
          ) : (
            <DataTable
              label="Automations"
              rows={automations}
              columns={columns}
              rowKey={(each) => each.id}
              onOpen={(each) => void navigate({ to: `/automations/${each.id}` })}
            />
          )
        }
      </Loaded>
    </>
  );
}

/** When each automation fired last, among the newest events. */
function newestOf(events: readonly Event[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const event of events) {
    const id = resourceId(event.resource).replace("prefect.automation.", "");
    if (event.event === "prefect.automation.triggered" && !found.has(id)) found.set(id, event.occurred);
  }
  return found;
}
