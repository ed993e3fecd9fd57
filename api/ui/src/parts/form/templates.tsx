/** How the form library's fields are laid out: label, control, what is wrong; groups, lists and variants. */

import getDefaultRegistry from "@rjsf/core/lib/getDefaultRegistry.js";
import type {
  ArrayFieldItemTemplateProps,
  ArrayFieldTemplateProps,
  FieldProps,
  FieldTemplateProps,
  MultiSchemaFieldTemplateProps,
  ObjectFieldTemplateProps,
  WidgetProps,
} from "@rjsf/utils";
import { Plus, Trash2 } from "lucide-react";
import { createElement } from "react";
import { Button } from "../Button";
import { StateGlyph } from "../StateGlyph";
import { controlFor } from "./controls";
import type { FormAround } from "./frame";
import { AS_JSON, isRecord, NULLABLE, type Schema, typeWords } from "./shape";

const standard = getDefaultRegistry().fields;

const isGroup = (schema: Schema) =>
  schema["type"] === "object" && !(AS_JSON in schema) && !("block_type_slug" in schema);

/** Lists of objects are drawn one below the other; all other lists as chips. */
const isListOfGroups = (schema: Schema) =>
  schema["type"] === "array" &&
  isRecord(schema["items"]) &&
  ("$ref" in schema["items"] || schema["items"]["type"] === "object" || "anyOf" in schema["items"]);

function Control({ props }: { props: FieldProps }) {
  const schema = props.schema as Schema;
  return createElement(controlFor(schema), {
    id: props.fieldPathId.$id,
    value: props.formData,
    schema,
    label: props.name,
    isBad: (props.rawErrors?.length ?? 0) > 0,
    isDisabled: Boolean(props.disabled),
    path: props.fieldPathId.path,
    around: props.registry.formContext as FormAround,
    onChange: (value) => props.onChange(value, props.fieldPathId.path),
  });
}

export function ScalarField(props: FieldProps) {
  return <Control props={props} />;
}

export function ObjectField(props: FieldProps) {
  const schema = props.schema as Schema;
  if (!isGroup(schema)) return <Control props={props} />;
  const Standard = standard["ObjectField"];
  const { path } = props.fieldPathId;
  if (schema[NULLABLE] !== true || !Standard) return Standard ? <Standard {...props} /> : null;
  if (props.formData === null || props.formData === undefined)
    return (
      <Button small onClick={() => props.onChange({}, path)}>
        Give values
      </Button>
    );
  return (
    <div className="grid1">
      <Standard {...props} />
      <div>
        <Button quiet small onClick={() => props.onChange(null, path)}>
          Set to nothing
        </Button>
      </div>
    </div>
  );
}

export function ArrayField(props: FieldProps) {
  const Standard = standard["ArrayField"];
  return isListOfGroups(props.schema as Schema) && Standard ? (
    <Standard {...props} />
  ) : (
    <Control props={props} />
  );
}

export function NothingField() {
  return <span className="q">nothing</span>;
}

function Problems({ id, texts, help }: { id: string; texts: readonly string[]; help: string }) {
  if (texts.length > 0)
    return (
      <div className="err" id={`${id}-about`} role="alert">
        <StateGlyph type="FAILED" label={false} /> <span>{texts.join(" ")}</span>
      </div>
    );
  return help ? (
    <div className="help" id={`${id}-about`}>
      {help}
    </div>
  ) : null;
}

export function FieldTemplate(props: FieldTemplateProps) {
  const schema = props.schema as Schema;
  const { path } = props.fieldPathId;
  if (props.hidden) return <div hidden>{props.children}</div>;
  if (path.length === 0) return props.children;
  const name = String(path.at(-1));
  const inList = typeof path.at(-1) === "number";
  const isWide =
    isGroup(schema) ||
    AS_JSON in schema ||
    schema["type"] === "array" ||
    "anyOf" in schema ||
    "oneOf" in schema;
  const isLabel = !(isGroup(schema) || isListOfGroups(schema) || "anyOf" in schema);
  const Label = isLabel ? "label" : "div";
  return (
    <div className={isWide ? "field wide" : "field"} data-field={path.join(".")}>
      {!inList && (
        <Label className="lab" {...(isLabel ? { htmlFor: props.id } : {})}>
          <span className="mono">{name}</span>
          <span className="q">{typeWords(schema)}</span>
          {props.required && <span className="q">required</span>}
        </Label>
      )}
      {props.children}
      <Problems id={props.id} texts={props.rawErrors ?? []} help={props.rawDescription ?? ""} />
    </div>
  );
}

export function ObjectFieldTemplate(props: ObjectFieldTemplateProps) {
  const isTop = props.fieldPathId.path.length === 0;
  const fields = props.properties.map((each) => each.content);
  return isTop ? (
    <div className="form2">{fields}</div>
  ) : (
    <div className="form2 group" role="group" aria-label={props.title}>
      {fields}
    </div>
  );
}

export function ArrayFieldTemplate(props: ArrayFieldTemplateProps) {
  return (
    <div className="grid1 group" role="group" aria-label={props.title}>
      {props.items}
      {props.canAdd && (
        <div>
          <Button small onClick={props.onAddClick}>
            <Plus className="i s" /> Add one
          </Button>
        </div>
      )}
    </div>
  );
}

export function ArrayFieldItemTemplate(props: ArrayFieldItemTemplateProps) {
  return (
    <div className="listed">
      <div>{props.children}</div>
      <Button
        quiet
        small
        icon
        label={`Take out number ${props.index + 1}`}
        onClick={props.buttonsProps.onRemoveItem}
      >
        <Trash2 className="i s" />
      </Button>
    </div>
  );
}

export function MultiSchemaFieldTemplate({ selector, optionSchemaField }: MultiSchemaFieldTemplateProps) {
  return (
    <div className="grid1">
      {selector}
      {optionSchemaField}
    </div>
  );
}

/** The choice between variants of an object. */
export function SelectWidget({ id, value, options, onChange, label }: WidgetProps) {
  return (
    <span className="in">
      <select
        id={id}
        aria-label={label || "Variant"}
        value={String(value)}
        onChange={(event) => onChange(event.target.value)}
      >
        {(options.enumOptions ?? []).map((each) => (
          <option key={String(each.value)} value={String(each.value)}>
            {each.label}
          </option>
        ))}
      </select>
    </span>
  );
}

export const Bare = () => null;
