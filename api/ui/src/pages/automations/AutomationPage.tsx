/** One automation: its sentence, what it holds, and the log of its firings. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import {
  type Automation,
  automationQuery,
  deleteAutomation,
  enableAutomation,
  firingsQuery,
} from "@/data/automations";
import { type Event, pageOf, resourceName } from "@/data/events";
import { useUrlState } from "@/data/urlState";
import { act, useAct } from "@/parts/acting";
import { Button, ButtonLink } from "@/parts/Button";
import { Switch, Tabs } from "@/parts/choosing";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { Tags, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { StateGlyph } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { Values } from "@/parts/Values";
import { actionInWords, triggerInWords } from "@/words/automations";
import "./automations.css";

export default function AutomationPage() {
  const { id = "" } = useParams({ strict: false });
  const query = useQuery(automationQuery(id));
  return (
    <Loaded query={query} what="The automation">
      {(automation) => <Whole automation={automation} />}
    </Loaded>
  );
}

function Whole({ automation }: { automation: Automation }) {
  const [tab] = useUrlState("tab", "firings");
  const [asks, setAsks] = useState(false);
  const [run, busy] = useAct();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const firings = useQuery(firingsQuery(automation.id));
  const turn = (on: boolean) =>
    run(on ? "Not switched on" : "Not switched off", async () => {
      await enableAutomation(automation.id, on);
      await queries.invalidateQueries({ queryKey: ["automations"] });
    });
  return (
    <>
      <Title
        crumbs={[{ text: "Automations", to: "/automations" }]}
        title={automation.name}
        after={
          <Switch
            on={automation.enabled}
            disabled={busy}
            label={`${automation.name} is ${automation.enabled ? "on" : "off"}`}
            onChange={(on) => void turn(on)}
          />
        }
        sub={automation.description}
      >
        <Tags tags={automation.tags} />
        <CopyAs
          commands={{ api: { method: "GET", path: `/automations/${automation.id}` } }}
          json={automation}
        />
        <ButtonLink to={`/automations/${automation.id}/edit`}>
          <Pencil className="i" /> Edit
        </ButtonLink>
        <Button danger onClick={() => setAsks(true)}>
          <Trash2 className="i" /> Delete...
        </Button>
      </Title>
      {automation.paused_reason && (
        <div className="strip k-late t-l">
          <StateGlyph type="SCHEDULED" name="Late" label={false} />
          <span>The server switched it off: {automation.paused_reason}</span>
        </div>
      )}
      <dl className="sentence bt">
        <dt>When</dt>
        <dd>{triggerInWords(automation.trigger)}</dd>
        <dt>then</dt>
        {automation.actions.map((action, at) => (
          <dd key={at}>{actionInWords(action)}</dd>
        ))}
      </dl>
      <Tabs
        open={tab}
        tabs={[
          { value: "firings", text: "Firings", count: firings.data?.total },
          { value: "content", text: "Content" },
        ]}
      />
      {tab === "content" ? (
        <Values label="The automation" value={automation} />
      ) : (
        <Loaded query={firings} what="The log of firings">
          {(page) =>
            page.events.length === 0 ? (
              <Empty
                title="It has not fired"
                text="Each firing, each action and its result will stand here."
              />
            ) : (
              page.events.map((event) => <Firing key={event.id} event={event} />)
            )
          }
        </Loaded>
      )}
      <ConfirmDestroy
        open={asks}
        title={`Delete automation ${automation.name}?`}
        losses={["It will act no longer.", "The events of its firings stay."]}
        verb={`Delete automation ${automation.name}`}
        onClose={() => setAsks(false)}
        act={async () => {
          // Its page goes first: it would ask for what is gone.
          await navigate({ to: "/automations" });
          await act("Not deleted", () => deleteAutomation(automation.id), {
            done: `${automation.name} is deleted`,
          });
          await queries.invalidateQueries({ queryKey: ["automations"] });
        }}
      />
    </>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  "prefect.automation.triggered": "fired",
  "prefect.automation.resolved": "resolved",
  "prefect.automation.action.triggered": "began to act",
  "prefect.automation.action.executed": "acted",
  "prefect.automation.action.failed": "could not act",
};

function Firing({ event }: { event: Event }) {
  const isBad = event.event.endsWith(".failed");
  const about = [event.payload["action_type"], event.payload["reason"]].filter(
    (each) => typeof each === "string",
  );
  return (
    <div className="firing">
      <StateGlyph type={isBad ? "FAILED" : "COMPLETED"} label={false} />
      <Time at={event.occurred} />
      <b className="b">{WORDS[event.event] ?? event.event}</b>
      <span className="m cut" title={about.join(": ")}>
        {about.join(": ")}
      </span>
      <span className="q cut">
        {event.related.map((each, at) => {
          const to = pageOf(each);
          return (
            <span key={at}>
              {at > 0 && ", "}
              {to ? <Link to={to}>{resourceName(each)}</Link> : resourceName(each)}
            </span>
          );
        })}
      </span>
    </div>
  );
}
