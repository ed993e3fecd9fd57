/** One control a kind of value. Each takes the same props; `controlFor` chooses by the schema. */

import { X } from "lucide-react";
import { type ComponentType, useState } from "react";
import { useClock } from "@/data/preferences";
import { zoneName } from "@/words/times";
import { fromWallText, wallText } from "@/words/zoned";
import { Segmented } from "../choosing";
import { BlockControl } from "./BlockControl";
import { brief } from "./compare";
import { about, Beside, type ControlProps, Frame, useTyped } from "./frame";
import { emptied, readJson, readNumber, readText, readUnion, writeJson, writeText } from "./reading";
import { AS_JSON, isRecord, NULLABLE, type Schema, UNION } from "./shape";

const MOST_BESIDE = 4;
const MOST_LETTERS = 44;
const NOTHING = "nothing";

export function controlFor(schema: Schema): ComponentType<ControlProps> {
  if (AS_JSON in schema) return JsonControl;
  if ("block_type_slug" in schema) return BlockControl;
  if (schema["type"] === "array") return isChoice(schema["items"]) ? ManyControl : ChipsControl;
  if (Array.isArray(schema["enum"])) return ChoiceControl;
  if (UNION in schema) return UnionControl;
  if (schema["type"] === "boolean") return TruthControl;
  if (schema["type"] === "integer" || schema["type"] === "number") return NumberControl;
  if (schema["format"] === "date-time") return MomentControl;
  if (schema["format"] === "password" || schema["writeOnly"] === true) return SecretControl;
  return TextControl;
}

const isChoice = (items: unknown) => isRecord(items) && Array.isArray(items["enum"]);

function TextControl(props: ControlProps) {
  const { schema, value, onChange } = props;
  const text = writeText(value);
  const hint = schema[NULLABLE] === true && (value === null || value === undefined) ? NOTHING : undefined;
  const onText = (typed: string) => onChange(readText(typed, schema));
  if (text.includes("\n") || schema["format"] === "multiline")
    return (
      <Frame of={props} tall>
        <textarea
          {...about(props)}
          rows={Math.min(12, text.split("\n").length + 1)}
          value={text}
          spellCheck={false}
          onChange={(event) => onText(event.target.value)}
        />
      </Frame>
    );
  const type = schema["format"] === "date" ? "date" : "text";
  return (
    <Frame of={props}>
      <input
        {...about(props)}
        type={type}
        value={text}
        placeholder={hint}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onText(event.target.value)}
      />
    </Frame>
  );
}

function Typed({
  of,
  read,
  mode,
}: {
  of: ControlProps;
  read: (text: string, schema: Schema) => unknown;
  mode?: "decimal";
}) {
  const [text, setText] = useTyped(of.value, (typed) => read(typed, of.schema), writeText);
  return (
    <Frame of={of}>
      <input
        {...about(of)}
        value={text}
        inputMode={mode}
        placeholder={of.schema[NULLABLE] === true ? NOTHING : undefined}
        autoComplete="off"
        onChange={(event) => {
          setText(event.target.value);
          of.onChange(read(event.target.value, of.schema));
        }}
      />
    </Frame>
  );
}

const NumberControl = (props: ControlProps) => <Typed of={props} read={readNumber} mode="decimal" />;
const UnionControl = (props: ControlProps) => <Typed of={props} read={readUnion} />;

function SecretControl(props: ControlProps) {
  return (
    <Frame of={props}>
      <input
        {...about(props)}
        type="password"
        value={writeText(props.value)}
        autoComplete="new-password"
        onChange={(event) => props.onChange(readText(event.target.value, props.schema))}
      />
    </Frame>
  );
}

function MomentControl(props: ControlProps) {
  const clock = useClock();
  const text = writeText(props.value);
  const at = text === "" ? null : new Date(text);
  if (at && Number.isNaN(at.getTime())) return <TextControl {...props} />;
  return (
    <Frame of={props}>
      <input
        {...about(props)}
        type="datetime-local"
        step={1}
        value={at ? wallText(at, clock.zone) : ""}
        onChange={(event) =>
          props.onChange(fromWallText(event.target.value, clock.zone)?.toISOString() ?? emptied(props.schema))
        }
      />
      <span className="q sm nw">{zoneName(clock)}</span>
    </Frame>
  );
}

/** Truth and enums: side by side while they are few and short, a list otherwise. */
function Choosing({ of, values }: { of: ControlProps; values: readonly unknown[] }) {
  const texts = values.map((each) => brief(each, 60));
  const isNullable = of.schema[NULLABLE] === true && !values.includes(null);
  const all = isNullable ? [...texts, NOTHING] : texts;
  const at = values.findIndex((each) => each === of.value);
  const now = at >= 0 ? String(at) : isNullable && (of.value ?? null) === null ? String(values.length) : "";
  const choose = (key: string) => of.onChange(Number(key) < values.length ? values[Number(key)] : null);
  if (all.length <= MOST_BESIDE && all.join("").length <= MOST_LETTERS)
    return (
      <Beside of={of}>
        <Segmented
          label={of.label}
          value={now}
          choices={all.map((text, key) => ({ value: String(key), text }))}
          onChange={choose}
        />
      </Beside>
    );
  return (
    <Frame of={of}>
      <select {...about(of)} value={now} onChange={(event) => choose(event.target.value)}>
        {now === "" && <option value="">{of.value === undefined ? "choose" : brief(of.value)}</option>}
        {all.map((text, key) => (
          <option key={key} value={String(key)}>
            {text}
          </option>
        ))}
      </select>
    </Frame>
  );
}

const TruthControl = (props: ControlProps) => <Choosing of={props} values={[true, false]} />;
const ChoiceControl = (props: ControlProps) => (
  <Choosing of={props} values={props.schema["enum"] as unknown[]} />
);

const listed = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function ManyControl(props: ControlProps) {
  const values = (props.schema["items"] as Schema)["enum"] as unknown[];
  const chosen = listed(props.value);
  const toggle = (each: unknown) =>
    props.onChange(chosen.includes(each) ? chosen.filter((one) => one !== each) : [...chosen, each]);
  return (
    <Beside of={props}>
      <span className="chips manychips" role="group" aria-label={props.label}>
        {values.map((each) => (
          <button
            key={brief(each)}
            type="button"
            className={chosen.includes(each) ? "chip on" : "chip"}
            aria-pressed={chosen.includes(each)}
            disabled={props.isDisabled}
            onClick={() => toggle(each)}
          >
            {brief(each)}
          </button>
        ))}
      </span>
    </Beside>
  );
}

function ChipsControl(props: ControlProps) {
  const [text, setText] = useState("");
  const items = isRecord(props.schema["items"]) ? props.schema["items"] : {};
  const values = listed(props.value);
  const read = items["type"] === "integer" || items["type"] === "number" ? readNumber : readUnion;
  const add = () => {
    const parts = text.split(",").map((part) => part.trim());
    const given = parts.filter(Boolean).map((part) => read(part, items));
    if (given.length > 0) props.onChange([...values, ...given]);
    setText("");
  };
  const without = (at: number) => props.onChange(values.filter((_, each) => each !== at));
  return (
    <Frame of={props} tall>
      <span className="manychips chips grow">
        {values.map((each, at) => (
          <span key={at} className="chip on">
            <span className="cut">{brief(each)}</span>
            <button type="button" aria-label={`Take out ${brief(each)}`} onClick={() => without(at)}>
              <X className="i s" />
            </button>
          </span>
        ))}
        <input
          {...about(props)}
          value={text}
          placeholder="add…"
          onChange={(event) => setText(event.target.value)}
          onBlur={add}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.ctrlKey && text.trim()) {
              event.preventDefault();
              add();
            }
            if (event.key === "Backspace" && text === "" && values.length > 0) without(values.length - 1);
          }}
        />
      </span>
    </Frame>
  );
}

function JsonControl(props: ControlProps) {
  const [text, setText] = useTyped(props.value, (typed) => readJson(typed, props.schema), writeJson);
  return (
    <Frame of={props} tall>
      <textarea
        {...about(props)}
        rows={Math.min(14, Math.max(1, text.split("\n").length))}
        value={text}
        placeholder={props.schema[NULLABLE] === true ? NOTHING : "JSON"}
        spellCheck={false}
        onChange={(event) => {
          setText(event.target.value);
          props.onChange(readJson(event.target.value, props.schema));
        }}
      />
    </Frame>
  );
}
