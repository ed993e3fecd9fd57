/** The easy case of an automation: tell somebody when a run is in one of some states. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus, Send, Trash2 } from "lucide-react";
import { useState } from "react";
import {
  type Action,
  type Automation,
  automationsQuery,
  deleteAutomation,
  enableAutomation,
  type EventTrigger,
} from "@/data/automations";
import { choicesQuery } from "@/data/choices";
import { post } from "@/data/client";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Switch } from "@/parts/choosing";
import { ConfirmDestroy } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { triggerInWords } from "@/words/automations";
import { NewNotification } from "./NewNotification";
import "./notifications.css";

export type Notification = { automation: Automation; trigger: EventTrigger; action: Action };

/** The automations that are notifications and nothing else. */
export function notificationsIn(automations: readonly Automation[]): Notification[] {
  return automations.flatMap((automation) => {
    const { trigger, actions } = automation;
    const [action, ...more] = actions;
    if (trigger.type !== "event" || more.length > 0 || action?.type !== "send-notification") return [];
    return [{ automation, trigger, action }];
  });
}

export default function NotificationsPage() {
  const query = useQuery(automationsQuery);
  const [making, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<Automation | null>(null);
  const queries = useQueryClient();
  const begin = (
    <Button sun onClick={() => setMaking(true)}>
      <Plus className="i" /> New notification
    </Button>
  );
  return (
    <>
      <Title title="Notifications" sub="who is told when a run goes wrong">
        {begin}
      </Title>
      {making && <NewNotification onClose={() => setMaking(false)} />}
      <Loaded query={query} what="The list of notifications">
        {(automations) => {
          const shown = notificationsIn(automations);
          if (shown.length === 0 && !making)
            return (
              <Empty
                title="No notifications yet"
                text="A notification sends a message over a block, such as Slack, mail or a webhook, when a run is in one of the states that you choose."
              >
                <Button onClick={() => setMaking(true)}>
                  <Plus className="i" /> New notification
                </Button>
              </Empty>
            );
          return shown.map((each) => (
            <Line key={each.automation.id} of={each} drop={() => setDoomed(each.automation)} />
          ));
        }}
      </Loaded>
      <ConfirmDestroy
        open={doomed !== null}
        title={`Delete notification ${doomed?.name ?? ""}?`}
        losses={["Nobody is told by it any more.", "Its block stays."]}
        verb="Delete notification"
        onClose={() => setDoomed(null)}
        act={async () => {
          if (doomed) await deleteAutomation(doomed.id);
          await queries.invalidateQueries({ queryKey: ["automations"] });
        }}
      />
    </>
  );
}

function Line({ of: { automation, trigger, action }, drop }: { of: Notification; drop: () => void }) {
  const [run, busy] = useAct();
  const queries = useQueryClient();
  const blocks = useQuery(choicesQuery("notifiers")).data ?? [];
  const block = String(action["block_document_id"] ?? "");
  const over = blocks.find((each) => each.value === block)?.text ?? "a block that is gone";
  return (
    <div className="notif">
      <Switch
        on={automation.enabled}
        disabled={busy}
        label={`${automation.name} is ${automation.enabled ? "on" : "off"}`}
        onChange={(on) =>
          void run("Not changed", async () => {
            await enableAutomation(automation.id, on);
            await queries.invalidateQueries({ queryKey: ["automations"] });
          })
        }
      />
      <Link to={`/automations/${automation.id}`} className="b cut" title={automation.name}>
        {automation.name}
      </Link>
      <span className="m cut" title={triggerInWords(trigger)}>
        when {triggerInWords(trigger)}
      </span>
      <Link to={`/blocks/${block}`} className="cut q" title={over}>
        over {over}
      </Link>
      <span className="row">
        <Button
          small
          disabled={busy}
          label={`Send a test over ${over}`}
          onClick={() =>
            void run("The test did not arrive", () => post(`/heliostat/block_documents/${block}/send_test`), {
              done: `A test was sent over ${over}`,
            })
          }
        >
          <Send className="i s" /> Test
        </Button>
        <Button quiet small icon label={`Delete ${automation.name}`} onClick={drop}>
          <Trash2 className="i s" />
        </Button>
      </span>
    </div>
  );
}
