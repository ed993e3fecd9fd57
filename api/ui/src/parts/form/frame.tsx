/** The frame around one control: sun edge and "was …" where its value differs from the one it started from. */

import type { FieldPathList } from "@rjsf/utils";
import { Undo2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button } from "../Button";
import { brief, isSame, valueAt } from "./compare";
import type { Schema } from "./shape";

/** What the form gives to all of its fields. */
export type FormAround = {
  /** The values that the form started from; fields that differ are marked. */
  base: Schema | undefined;
};

export type ControlProps = {
  id: string;
  value: unknown;
  schema: Schema;
  /** For readers of the screen, where no label points at the control. */
  label: string;
  isBad: boolean;
  isDisabled: boolean;
  path: FieldPathList;
  around: FormAround;
  onChange: (value: unknown) => void;
};

type Standing = { differs: boolean; was: string; isDefault: boolean; back: () => void };

export function standingOf({ value, schema, path, around, onChange }: ControlProps): Standing {
  const was = valueAt(around.base, path);
  const differs = around.base !== undefined && !isSame(was, value);
  const isDefault = !differs && schema["default"] !== undefined && isSame(schema["default"], value);
  const isSecret = schema["format"] === "password" || schema["writeOnly"] === true;
  return { differs, was: isSecret ? "another" : brief(was, 24), isDefault, back: () => onChange(was) };
}

export function Was({ of }: { of: Standing }) {
  if (!of.differs) return of.isDefault ? <span className="push">default</span> : null;
  return (
    <span className="push was">
      <span className="cut">
        was <b className="b">{of.was}</b>
      </span>
      <Button quiet small icon label={`Back to ${of.was}`} onClick={of.back}>
        <Undo2 className="i s" />
      </Button>
    </span>
  );
}

/** Around inputs. */
export function Frame({
  of,
  tall = false,
  children,
}: {
  of: ControlProps;
  tall?: boolean;
  children: ReactNode;
}) {
  const standing = standingOf(of);
  const classes = ["in", of.isBad && "bad", standing.differs && "changed", tall && "tall"].filter(Boolean);
  return (
    <span className={classes.join(" ")}>
      {children}
      <Was of={standing} />
    </span>
  );
}

/** Around choices that have a frame of their own. */
export function Beside({ of, children }: { of: ControlProps; children: ReactNode }) {
  const standing = standingOf(of);
  return (
    <span className={standing.differs ? "segf changed" : "segf"}>
      {children}
      {standing.differs && <Was of={standing} />}
    </span>
  );
}

export const about = (of: ControlProps) => ({
  id: of.id,
  disabled: of.isDisabled,
  "aria-invalid": of.isBad,
  "aria-describedby": `${of.id}-about`,
});

/** What is typed stays as it was typed while it means the value. */
export function useTyped(
  value: unknown,
  read: (text: string) => unknown,
  write: (value: unknown) => string,
): [string, (text: string) => void] {
  const [typed, setTyped] = useState(() => write(value));
  const meant = isSame(read(typed), value);
  return [meant ? typed : write(value), setTyped];
}
