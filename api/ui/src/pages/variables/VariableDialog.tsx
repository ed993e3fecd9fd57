/** Make or change a variable: its value is JSON, or plain text when it is not. */

import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiFailure, said } from "@/data/failures";
import { changeVariable, createVariable, type Variable } from "@/data/variables";
import { Button } from "@/parts/Button";
import { TextAreaField, TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";

/** What is typed: JSON where it parses, the text itself elsewhere. */
export function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export function textOf(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  // A text that reads as JSON would come back as another kind of value.
  return typeof valueOf(value) === "string" ? value : JSON.stringify(value);
}

export function VariableDialog({
  variable,
  onClose,
}: {
  variable: Variable | "new" | null;
  onClose: () => void;
}) {
  const old = variable === "new" || variable === null ? null : variable;
  return (
    <Dialog
      open={variable !== null}
      title={old ? `Change variable ${old.name}` : "New variable"}
      onClose={onClose}
      size={560}
    >
      {variable !== null && <Fields old={old} onClose={onClose} />}
    </Dialog>
  );
}

function Fields({ old, onClose }: { old: Variable | null; onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState(old?.name ?? "");
  const [value, setValue] = useState(old ? textOf(old.value) : "");
  const [tags, setTags] = useState(old?.tags.join(", ") ?? "");
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const given = {
      name,
      value: valueOf(value),
      tags: tags
        .split(",")
        .map((tag) => tag.trim())
        .filter(Boolean),
    };
    setBusy(true);
    try {
      await (old ? changeVariable(old.id, given) : createVariable(given));
      await queries.invalidateQueries({ queryKey: ["variables"] });
      onClose();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  const of = (field: string) => {
    if (!(failed instanceof ApiFailure)) return null;
    return failed.fields.find((each) => each.at === field || each.at.startsWith(`${field}.`))?.text ?? null;
  };
  const general = failed !== null && !of("name") && !of("value") ? said(failed) : null;
  return (
    <form className="dlg-form" onSubmit={(event) => void submit(event)}>
      <TextField
        label="name"
        mono
        hint="small letters, digits, _ and -"
        value={name}
        onChange={(event) => setName(event.target.value)}
        error={of("name") ?? general}
        required
        data-autofocus
      />
      <TextAreaField
        label="value"
        mono
        hint="JSON, or plain text"
        rows={7}
        value={value}
        onChange={(event) => setValue(event.target.value)}
        error={of("value")}
        help={`Kept as ${kindOf(valueOf(value))}.`}
      />
      <TextField
        label="tags"
        mono
        hint="separated by commas"
        value={tags}
        onChange={(event) => setTags(event.target.value)}
      />
      <div className="row dlg-acts">
        <Button onClick={onClose}>Cancel</Button>
        <button type="submit" className="btn sun" disabled={busy}>
          {old ? "Save variable" : "Create variable"}
        </button>
      </div>
    </form>
  );
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  const kinds: Record<string, string> = {
    object: "an object",
    string: "text",
    number: "a number",
    boolean: "true or false",
  };
  return kinds[typeof value] ?? typeof value;
}
