/** A form made from a JSON schema: parameters of a flow, job variables of a pool, fields of a block.
 *
 *     const [value, setValue] = useState(start);
 *     const check = useSchemaCheck(schema, value);          // asks the server, a moment after each change
 *     <SchemaForm schema={schema} value={value} onChange={setValue} base={start} problems={check.problems} />
 *
 * - `base` is what the form started from: a field that differs has a sun edge, "was …" and a way back.
 *   Leave it out where nothing is there to differ from (a new block).
 * - `problems` are told beside their fields. They come from the server, in its words: nothing is checked here,
 *   and what cannot be read as its type is handed on as text, so that the server refuses it.
 * - `FormOrText` adds the switch to JSON and YAML. `changed(base, value)` gives only what differs, to be sent.
 * - Secrets (`format: password`, `writeOnly`) are dots. A secret that was kept arrives as "********": leave it out
 *   of what is sent unless it was changed.
 * - A schema with `block_type_slug` becomes a choice among the saved blocks of that type.
 */

// Not the index: that also brings what tests of the library need.
import Form from "@rjsf/core/lib/components/Form.js";
import type { ErrorSchema, RJSFSchema, UiSchema, ValidatorType } from "@rjsf/utils";
import { useMemo } from "react";
import { atControls, nested, type PlacedProblem } from "./compare";
import { fits } from "./fits";
import type { FormAround } from "./frame";
import { type Schema, shapeOf } from "./shape";
import {
  ArrayField,
  ArrayFieldItemTemplate,
  ArrayFieldTemplate,
  Bare,
  FieldTemplate,
  MultiSchemaFieldTemplate,
  NothingField,
  ObjectField,
  ObjectFieldTemplate,
  ScalarField,
  SelectWidget,
} from "./templates";

// The server checks. The library only asks which variant of a union a value is.
const VALIDATOR: ValidatorType<Schema> = {
  validateFormData: () => ({ errors: [], errorSchema: {} }),
  isValid: (schema, value, root) => fits(schema as Schema, value, root as Schema),
  rawValidation: () => ({ errors: [] }),
};

const FIELDS = {
  ObjectField,
  ArrayField,
  StringField: ScalarField,
  NumberField: ScalarField,
  BooleanField: ScalarField,
  NullField: NothingField,
};
const WIDGETS = { SelectWidget };
const TEMPLATES = {
  FieldTemplate,
  ObjectFieldTemplate,
  ArrayFieldTemplate,
  ArrayFieldItemTemplate,
  MultiSchemaFieldTemplate,
  DescriptionFieldTemplate: Bare,
  FieldErrorTemplate: Bare,
  FieldHelpTemplate: Bare,
  ErrorListTemplate: Bare,
  TitleFieldTemplate: Bare,
};
const NO_BUTTON: UiSchema<Schema> = { "ui:submitButtonOptions": { norender: true } };

export function SchemaForm({
  schema,
  value,
  onChange,
  base,
  problems = [],
  disabled = false,
  id = "form",
}: {
  schema: unknown;
  value: Schema;
  onChange: (value: Schema) => void;
  base?: Schema;
  problems?: readonly PlacedProblem[];
  disabled?: boolean;
  /** Begins the ids of the inputs; two forms on a page need two. */
  id?: string;
}) {
  const shaped = useMemo(() => shapeOf(schema), [schema]);
  const errors = useMemo(
    () => nested(atControls(problems, shaped)) as ErrorSchema<Schema>,
    [problems, shaped],
  );
  const around = useMemo<FormAround>(() => ({ base }), [base]);
  return (
    <Form<Schema>
      tagName="div"
      className="sform"
      idPrefix={id}
      schema={shaped as RJSFSchema}
      uiSchema={NO_BUTTON}
      formData={value}
      formContext={around}
      validator={VALIDATOR}
      fields={FIELDS}
      widgets={WIDGETS}
      templates={TEMPLATES}
      extraErrors={errors}
      disabled={disabled}
      noValidate
      noHtml5Validate
      experimental_defaultFormStateBehavior={{
        emptyObjectFields: "skipDefaults",
        requiredBooleanDefault: "skip",
      }}
      onChange={(event) => onChange(event.formData ?? {})}
    />
  );
}
