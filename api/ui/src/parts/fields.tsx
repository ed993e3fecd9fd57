/** Inputs with their label above and what is wrong with them below. */

import { type ComponentProps, type ReactNode, useId } from "react";
import { StateGlyph } from "./StateGlyph";

type Around = {
  label: ReactNode;
  /** Type or unit, in grey beside the label. */
  hint?: ReactNode;
  help?: ReactNode;
  error?: string | null;
  /** What it was before it was changed; marks the field. */
  was?: string | null;
  mono?: boolean;
};

type Inside = { id: string; "aria-invalid": boolean; "aria-describedby": string | undefined };

export function Field({
  label,
  hint,
  help,
  error,
  was,
  mono,
  children,
}: Around & { children: (inside: Inside) => ReactNode }) {
  const id = useId();
  const about = error || help ? `${id}-about` : undefined;
  return (
    <div className="field">
      <label htmlFor={id} className={mono ? "mono" : undefined}>
        {label}
        {hint && <span className="q">{hint}</span>}
      </label>
      <span className={`in${error ? " bad" : ""}${was !== undefined && was !== null ? " changed" : ""}`}>
        {children({ id, "aria-invalid": Boolean(error), "aria-describedby": about })}
        {was !== undefined && was !== null && <span className="push">was {was || "empty"}</span>}
      </span>
      {error ? (
        <div className="err" id={about} role="alert">
          <StateGlyph type="FAILED" label={false} /> {error}
        </div>
      ) : (
        help && (
          <div className="help" id={about}>
            {help}
          </div>
        )
      )}
    </div>
  );
}

export function TextField({
  label,
  hint,
  help,
  error,
  was,
  mono,
  ...input
}: Around & ComponentProps<"input">) {
  return (
    <Field {...{ label, hint, help, error, was, mono }}>
      {(inside) => <input autoComplete="off" {...input} {...inside} />}
    </Field>
  );
}

export function SelectField({
  label,
  hint,
  help,
  error,
  was,
  mono,
  choices,
  ...input
}: Around & ComponentProps<"select"> & { choices: readonly { value: string; text: string }[] }) {
  return (
    <Field {...{ label, hint, help, error, was, mono }}>
      {(inside) => (
        <select {...input} {...inside}>
          {choices.map((each) => (
            <option key={each.value} value={each.value}>
              {each.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function TextAreaField({
  label,
  hint,
  help,
  error,
  was,
  mono,
  ...input
}: Around & ComponentProps<"textarea">) {
  return (
    <Field {...{ label, hint, help, error, was, mono }}>
      {(inside) => <textarea rows={4} spellCheck={false} {...input} {...inside} />}
    </Field>
  );
}

/** Where one searches: a magnifying glass is drawn by its style. */
export function SearchField({ label, ...input }: { label: string } & ComponentProps<"input">) {
  return (
    <span className="in search">
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        autoComplete="off"
        spellCheck={false}
        {...input}
      />
    </span>
  );
}
