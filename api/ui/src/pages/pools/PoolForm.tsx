/** The fields of a pool: description, limit, and the defaults of its job variables as form or as text. */

import { useState } from "react";
import type { Template, Values } from "@/data/pools";
import { Segmented } from "@/parts/choosing";
import { TextField } from "@/parts/fields";
import { FORM_VIEWS, FormOrText, type FormView } from "@/parts/form/FormOrText";
import { SchemaForm } from "@/parts/form/SchemaForm";
import { useSchemaCheck } from "@/parts/form/useSchemaCheck";
import { SectionHead } from "@/parts/page";
import { variablesOf } from "./template";

export type PoolFields = {
  name: string;
  description: string;
  limit: string;
  values: Values;
  template: Template;
};

export function PoolForm({
  fields,
  onChange,
  base,
  of,
  isNew,
}: {
  fields: PoolFields;
  onChange: (fields: PoolFields) => void;
  base: Values;
  /** What the server said of a field. */
  of: (name: string) => string | null;
  isNew: boolean;
}) {
  const [view, setView] = useState<FormView | "template">("form");
  const schema = variablesOf(fields.template);
  const check = useSchemaCheck(withoutRequired(schema), fields.values);
  const set = (changed: Partial<PoolFields>) => onChange({ ...fields, ...changed });
  const views = [
    ...FORM_VIEWS.filter((each) => each.value !== "yaml"),
    { value: "template" as const, text: "Template" },
  ];
  return (
    <>
      <div className="formpad pool-top">
        {isNew && (
          <TextField
            label="Name"
            value={fields.name}
            error={of("name")}
            autoFocus
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
        <div className="form2">
          <TextField
            label="Description"
            value={fields.description}
            error={of("description")}
            onChange={(event) => set({ description: event.target.value })}
          />
          <TextField
            label="Limit"
            hint="runs at a time"
            help="Empty: no limit."
            inputMode="numeric"
            value={fields.limit}
            error={of("concurrency_limit")}
            onChange={(event) => set({ limit: event.target.value })}
          />
        </div>
      </div>
      <SectionHead title="Job variables" count="defaults of each run in this pool">
        <Segmented small label="How they are edited" value={view} onChange={setView} choices={views} />
      </SectionHead>
      <div className="formpad">
        {view === "template" ? (
          <FormOrText
            view="json"
            label="Base job template"
            value={fields.template}
            onChange={(template) => set({ template: template as Template })}
          >
            {null}
          </FormOrText>
        ) : (
          <FormOrText
            view={view}
            label="Job variables"
            value={fields.values}
            onChange={(values) => set({ values })}
          >
            <SchemaForm
              schema={schema}
              value={fields.values}
              onChange={(values) => set({ values })}
              base={base}
              problems={check.problems}
              id="job"
            />
          </FormOrText>
        )}
        {of("base_job_template") && (
          <div className="err-line" role="alert">
            {of("base_job_template")}
          </div>
        )}
      </div>
    </>
  );
}

/** A pool need not give what its runs have to give. */
function withoutRequired(schema: Values): Values {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "required"));
}
