/** A form, or the same values as JSON or YAML. Text that cannot be read is told below it and changes nothing. */

import { lazy, type ReactNode, Suspense, useState } from "react";
import { StateGlyph } from "../StateGlyph";
import { Skeleton } from "../places";
import { isSame } from "./compare";
import { isRecord, type Schema } from "./shape";
import { parseText, type TextKind, writtenAs } from "./text";

const CodeEditor = lazy(() => import("./CodeEditor"));

export type FormView = "form" | TextKind;

export const FORM_VIEWS = [
  { value: "form", text: "Form" },
  { value: "json", text: "JSON" },
  { value: "yaml", text: "YAML" },
] as const satisfies readonly { value: FormView; text: string }[];

export function FormOrText({
  view,
  value,
  onChange,
  label,
  children,
}: {
  view: FormView;
  value: Schema;
  onChange: (value: Schema) => void;
  label: string;
  /** The form itself. */
  children: ReactNode;
}) {
  if (view === "form") return children;
  return (
    <Suspense fallback={<Skeleton rows={4} />}>
      <AsText key={view} kind={view} value={value} onChange={onChange} label={label} />
    </Suspense>
  );
}

function AsText({
  kind,
  value,
  onChange,
  label,
}: {
  kind: TextKind;
  value: Schema;
  onChange: (value: Schema) => void;
  label: string;
}) {
  const [typed, setTyped] = useState(() => ({ text: writtenAs(kind, value), value }));
  const [broken, setBroken] = useState("");
  const text = isSame(typed.value, value) ? typed.text : writtenAs(kind, value);
  const read = (given: string) => {
    const parsed = parseText(kind, given);
    if ("problem" in parsed || !isRecord(parsed.value)) {
      setTyped({ text: given, value });
      setBroken("problem" in parsed ? parsed.problem : "Values by their names are wanted here.");
      return;
    }
    setBroken("");
    setTyped({ text: given, value: parsed.value });
    onChange(parsed.value);
  };
  return (
    <div className="field">
      <CodeEditor kind={kind} text={text} onChange={read} label={label} />
      {broken && (
        <div className="err" role="alert">
          <StateGlyph type="FAILED" label={false} /> <span>{broken}</span>
        </div>
      )}
    </div>
  );
}
