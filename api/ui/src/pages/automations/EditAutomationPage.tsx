/** Write an automation as a sentence, or as JSON; new, or one that is there. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { automationQuery, createAutomation, replaceAutomation, type Written } from "@/data/automations";
import { said } from "@/data/failures";
import { useUrlStates } from "@/data/urlState";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { TextAreaField, TextField } from "@/parts/fields";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateGlyph } from "@/parts/StateGlyph";
import { automationInWords } from "@/words/automations";
import { ActionEditor } from "./ActionEditor";
import { EMPTY, newAction, simpleOf, triggerOf } from "./draft";
import { TriggerEditor } from "./TriggerEditor";
import "./automations.css";

export default function EditAutomationPage() {
  const { id } = useParams({ strict: false });
  return id ? <Existing id={id} /> : <FromAddress />;
}

function Existing({ id }: { id: string }) {
  const query = useQuery(automationQuery(id));
  return (
    <Loaded query={query} what="The automation">
      {({ name, description, enabled, tags, trigger, actions, actions_on_trigger, actions_on_resolve }) => (
        <Editor
          id={id}
          start={{
            name,
            description,
            enabled,
            tags,
            trigger,
            actions,
            actions_on_trigger,
            actions_on_resolve,
          }}
        />
      )}
    </Loaded>
  );
}

/** A new one, begun from an event when the address names it. */
function FromAddress() {
  const [words] = useUrlStates();
  const event = words["event"] === undefined ? null : String(words["event"]);
  const simple = simpleOf(EMPTY.trigger);
  if (!event || !simple) return <Editor start={EMPTY} />;
  const trigger = triggerOf({
    ...simple,
    subject: "event",
    expect: [event],
    match: String(words["resource"] ?? ""),
  });
  return <Editor start={{ ...EMPTY, trigger }} />;
}

function Editor({ id, start }: { id?: string; start: Written }) {
  const [draft, setDraft] = useState(start);
  const [text, setText] = useState<string | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const simple = simpleOf(draft.trigger);
  const unreadable = text === null ? null : faultIn(text);
  const save = async () => {
    setBusy(true);
    try {
      const given = text === null ? draft : (JSON.parse(text) as Written);
      const at = id ?? (await createAutomation(given)).id;
      if (id) await replaceAutomation(id, given);
      await queries.invalidateQueries({ queryKey: ["automations"] });
      await navigate({ to: `/automations/${at}` });
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  const toForm = () => {
    if (text !== null && faultIn(text) === null) setDraft(JSON.parse(text) as Written);
    setText(null);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Title
        crumbs={[{ text: "Automations", to: "/automations" }]}
        title={id ? `Edit ${start.name}` : "New automation"}
      >
        <Segmented
          label="How it is written"
          value={text === null ? "form" : "json"}
          choices={[
            { value: "form", text: "Form" },
            { value: "json", text: "JSON" },
          ]}
          onChange={(view) => (view === "form" ? toForm() : setText(JSON.stringify(draft, null, 2)))}
        />
        <CopyAs
          commands={{
            api: id
              ? { method: "PUT", path: `/automations/${id}`, body: draft }
              : { method: "POST", path: "/automations/", body: draft },
          }}
          json={draft}
        />
        <button type="submit" className="btn sun" disabled={busy || unreadable !== null}>
          {id ? "Save automation" : "Create automation"}
        </button>
      </Title>
      <div className="build bt">
        {failed !== null && (
          <div className="row err-line" role="alert">
            <StateGlyph type="FAILED" label={false} /> {said(failed)}
          </div>
        )}
        {text !== null ? (
          <TextAreaField
            label="The automation"
            hint="JSON"
            mono
            rows={28}
            value={text}
            error={unreadable}
            onChange={(event) => setText(event.target.value)}
          />
        ) : (
          <>
            <p className="build-said">{automationInWords(draft)}.</p>
            <div className="form2">
              <TextField
                label="Name"
                required
                value={draft.name}
                onChange={(event) => setDraft({ ...draft, name: event.target.value })}
              />
              <TextField
                label="Description"
                value={draft.description}
                onChange={(event) => setDraft({ ...draft, description: event.target.value })}
              />
            </div>
            {simple ? (
              <TriggerEditor
                simple={simple}
                onChange={(next) => setDraft({ ...draft, trigger: triggerOf(next) })}
              />
            ) : (
              <p className="m">This trigger has parts that only JSON shows. They stay as they are.</p>
            )}
            <fieldset>
              <legend>Then</legend>
              {draft.actions.map((action, at) => (
                <ActionEditor
                  key={at}
                  at={at}
                  action={action}
                  onChange={(next) =>
                    setDraft({
                      ...draft,
                      actions: draft.actions.map((each, place) => (place === at ? next : each)),
                    })
                  }
                  onRemove={
                    draft.actions.length > 1
                      ? () =>
                          setDraft({ ...draft, actions: draft.actions.filter((_, place) => place !== at) })
                      : undefined
                  }
                />
              ))}
              <div className="row">
                <Button
                  small
                  onClick={() => setDraft({ ...draft, actions: [...draft.actions, newAction("do-nothing")] })}
                >
                  <Plus className="i s" /> Another action
                </Button>
              </div>
            </fieldset>
          </>
        )}
      </div>
    </form>
  );
}

function faultIn(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
