/** A base job template and the defaults of its variables. */

import type { Template, Values } from "@/data/pools";

const isRecord = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The schema of the job variables, for a form. */
export function variablesOf(template: Partial<Template> | undefined): Values {
  return isRecord(template?.variables) ? template.variables : { type: "object", properties: {} };
}

/** The same template with these values as defaults of its variables; what is not given has no default. */
export function withDefaults(template: Template, values: Values): Template {
  const schema = variablesOf(template);
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  const changed = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => {
      if (!isRecord(property)) return [name, property];
      const rest = Object.fromEntries(Object.entries(property).filter(([key]) => key !== "default"));
      const value = values[name];
      const isEmpty =
        value === undefined ||
        (isRecord(value) && Object.keys(value).length === 0 && !("default" in property));
      return [name, isEmpty ? rest : { ...rest, default: value }];
    }),
  );
  return { ...template, variables: { ...schema, properties: changed } };
}
