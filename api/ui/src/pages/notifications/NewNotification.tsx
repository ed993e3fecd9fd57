/** States, of which flow, over which block: the rest is written for the reader. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { createAutomation } from "@/data/automations";
import { choicesQuery } from "@/data/choices";
import { said } from "@/data/failures";
import { Button, ButtonLink } from "@/parts/Button";
import { SelectField, TextField } from "@/parts/fields";
import { StateGlyph } from "@/parts/StateGlyph";
import { wordOf } from "@/words/states";

const STATES: readonly (readonly [string, string])[] = [
  ["FAILED", "Failed"],
  ["FAILED", "TimedOut"],
  ["CRASHED", "Crashed"],
  ["SCHEDULED", "Late"],
  ["PAUSED", "Paused"],
  ["CANCELLED", "Cancelled"],
  ["COMPLETED", "Completed"],
];
const ID = "prefect.resource.id";

export function NewNotification({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [states, setStates] = useState<string[]>(["Failed", "Crashed"]);
  const [flow, setFlow] = useState("");
  const [block, setBlock] = useState("");
  const [name, setName] = useState("");
  const [failed, setFailed] = useState<unknown>(null);
  const flows = useQuery(choicesQuery("flows")).data ?? [];
  const blocks = useQuery(choicesQuery("notifiers"));
  const of = flows.find((each) => each.value === flow)?.text;
  const proposed = `${states.map((state) => wordOf(null, state)).join(", ")}${of ? ` of ${of}` : ""}`;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await createAutomation({
        name: name || proposed,
        description: "",
        enabled: true,
        tags: [],
        trigger: {
          type: "event",
          match: { [ID]: "prefect.flow-run.*" },
          match_related: flow ? { [ID]: [`prefect.flow.${flow}`] } : {},
          after: [],
          expect: states.map((state) => `prefect.flow-run.${state}`),
          for_each: [ID],
          posture: "Reactive",
          threshold: 1,
          within: 0,
        },
        actions: [
          {
            type: "send-notification",
            block_document_id: block,
            subject: "{{ flow.name }} / {{ flow_run.name }} is {{ flow_run.state.name }}",
            body: "{{ flow_run.state.message }}",
          },
        ],
        actions_on_trigger: [],
        actions_on_resolve: [],
      });
      await queries.invalidateQueries({ queryKey: ["automations"] });
      onClose();
    } catch (error) {
      setFailed(error);
    }
  };
  return (
    <form className="formpad bt bb1" onSubmit={(event) => void save(event)} aria-label="New notification">
      <div className="ticks-n" role="group" aria-label="Tell when a run is">
        {STATES.map(([type, state]) => (
          <label key={state}>
            <input
              type="checkbox"
              className="tick"
              checked={states.includes(state)}
              onChange={(event) =>
                setStates(event.target.checked ? [...states, state] : states.filter((each) => each !== state))
              }
            />
            <StateGlyph type={type} name={state} label={false} /> {wordOf(type, state)}
          </label>
        ))}
      </div>
      <div className="form2">
        <SelectField
          label="Of"
          value={flow}
          onChange={(event) => setFlow(event.target.value)}
          choices={[{ value: "", text: "every flow" }, ...flows]}
        />
        <SelectField
          label="Over"
          required
          value={block}
          onChange={(event) => setBlock(event.target.value)}
          error={failed === null ? null : said(failed)}
          choices={[
            {
              value: "",
              text: blocks.data?.length === 0 ? "no block that notifies is saved" : "choose a block",
            },
            ...(blocks.data ?? []),
          ]}
        />
        <TextField
          label="Name"
          placeholder={proposed}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </div>
      <div className="row">
        <button type="submit" className="btn sun" disabled={states.length === 0}>
          Create notification
        </button>
        <Button quiet onClick={onClose}>
          Cancel
        </Button>
        {blocks.data?.length === 0 && <ButtonLink to="/blocks/new">New block</ButtonLink>}
      </div>
    </form>
  );
}
