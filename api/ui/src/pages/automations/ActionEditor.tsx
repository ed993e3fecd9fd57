/** One action: its type, its target and what it sends. */

import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import type { Action } from "@/data/automations";
import { choicesQuery, type Noun } from "@/data/choices";
import { Button, ButtonLink } from "@/parts/Button";
import { SelectField, TextAreaField, TextField } from "@/parts/fields";
import { ACTION_TYPES, actionInWords } from "@/words/automations";
import { newAction, targetOf } from "./draft";

function without(action: Action, field: string): Action {
  return Object.fromEntries(Object.entries(action).filter(([name]) => name !== field)) as Action;
}

type Props = { action: Action; onChange: (action: Action) => void; onRemove?: () => void; at: number };

const STATES = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED", "SCHEDULED"];

export function ActionEditor({ action, onChange, onRemove, at }: Props) {
  const set = (field: string, value: unknown) => onChange({ ...action, [field]: value });
  const text = (field: string) => String(action[field] ?? "");
  const target = targetOf(action.type);
  return (
    <div className="build-action" role="group" aria-label={`Action ${at + 1}`}>
      <div className="form2">
        <SelectField
          label="Then"
          value={action.type}
          onChange={(event) => onChange(newAction(event.target.value))}
          choices={ACTION_TYPES.map((type) => ({ value: type, text: actionInWords({ type }) }))}
        />
        {target && (
          <TargetField
            noun={target.noun}
            value={action["source"] === "inferred" ? "" : text(target.field)}
            onChange={(id) => {
              const rest = without(action, target.field);
              onChange(
                id ? { ...rest, source: "selected", [target.field]: id } : { ...rest, source: "inferred" },
              );
            }}
          />
        )}
        {action.type === "change-flow-run-state" && (
          <>
            <SelectField
              label="State"
              value={text("state")}
              onChange={(event) => set("state", event.target.value)}
              choices={STATES.map((value) => ({ value, text: value.toLowerCase() }))}
            />
            <TextField
              label="Name"
              hint="its own if empty"
              value={text("name")}
              onChange={(event) => set("name", event.target.value || null)}
            />
            <TextField
              label="Message"
              value={text("message")}
              onChange={(event) => set("message", event.target.value || null)}
            />
          </>
        )}
        {action.type === "send-notification" && (
          <>
            <BlockField
              noun="notifiers"
              value={text("block_document_id")}
              onChange={(id) => set("block_document_id", id)}
            />
            <TextField
              label="Subject"
              hint="template"
              value={text("subject")}
              onChange={(event) => set("subject", event.target.value)}
            />
          </>
        )}
        {action.type === "call-webhook" && (
          <BlockField
            noun="webhooks"
            value={text("block_document_id")}
            onChange={(id) => set("block_document_id", id)}
          />
        )}
      </div>
      {action.type === "send-notification" && (
        <TextAreaField
          label="Body"
          hint="template"
          value={text("body")}
          onChange={(event) => set("body", event.target.value)}
        />
      )}
      {action.type === "call-webhook" && (
        <TextAreaField
          label="Payload"
          hint="template"
          value={text("payload")}
          onChange={(event) => set("payload", event.target.value)}
        />
      )}
      {onRemove && (
        <div className="row">
          <Button quiet small onClick={onRemove}>
            <Trash2 className="i s" /> Remove action {at + 1}
          </Button>
        </div>
      )}
    </div>
  );
}

const NOUNS: Readonly<Record<string, string>> = {
  deployments: "Deployment",
  work_pools: "Work pool",
  work_queues: "Work queue",
  automations: "Automation",
};

function TargetField({
  noun,
  value,
  onChange,
}: {
  noun: Noun;
  value: string;
  onChange: (id: string) => void;
}) {
  const choices = useQuery(choicesQuery(noun)).data ?? [];
  return (
    <SelectField
      label={NOUNS[noun] ?? noun}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      choices={[{ value: "", text: "the one that the event is about" }, ...choices]}
    />
  );
}

function BlockField({
  noun,
  value,
  onChange,
}: {
  noun: "notifiers" | "webhooks";
  value: string;
  onChange: (id: string) => void;
}) {
  const query = useQuery(choicesQuery(noun));
  const choices = query.data ?? [];
  const what = noun === "notifiers" ? "block that notifies" : "webhook block";
  return (
    <div className="row">
      <SelectField
        label="Over"
        value={value}
        required
        onChange={(event) => onChange(event.target.value)}
        choices={[
          { value: "", text: choices.length ? `choose a ${what}` : `no ${what} is saved` },
          ...choices,
        ]}
      />
      {query.data?.length === 0 && (
        <ButtonLink small to="/blocks/new">
          New block
        </ButtonLink>
      )}
    </div>
  );
}
