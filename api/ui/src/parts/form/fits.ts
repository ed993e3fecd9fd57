/** Whether a value may be one of a union's variants, by its types and constants alone: enough to show the right one. */

import { isRecord, type Schema } from "./shape";

const MOST_DEEP = 8;

function resolved(schema: Schema, root: Schema): Schema {
  const ref = schema["$ref"];
  if (typeof ref !== "string" || !ref.startsWith("#/")) return schema;
  let found: unknown = root;
  for (const step of ref.slice(2).split("/")) found = isRecord(found) ? found[step] : undefined;
  return isRecord(found) ? found : schema;
}

function isOfType(type: unknown, value: unknown): boolean {
  switch (type) {
    case "object":
      return isRecord(value);
    case "array":
      return Array.isArray(value);
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
    default:
      return true;
  }
}

export function fits(given: Schema, value: unknown, root: Schema, deep = 0): boolean {
  const schema = resolved(given, root);
  if (deep > MOST_DEEP) return true;
  if ("const" in schema && schema["const"] !== value) return false;
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value)) return false;
  const types = Array.isArray(schema["type"]) ? schema["type"] : [schema["type"]];
  if (!types.some((type) => isOfType(type, value))) return false;
  const any = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(any) && !any.some((each) => fits(each as Schema, value, root, deep + 1))) return false;
  const all = schema["allOf"];
  if (Array.isArray(all) && !all.every((each) => fits(each as Schema, value, root, deep + 1))) return false;
  if (!isRecord(value)) return true;
  const required = Array.isArray(schema["required"]) ? (schema["required"] as string[]) : [];
  if (required.some((name) => value[name] === undefined)) return false;
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  return Object.entries(value).every(
    ([name, each]) => !isRecord(properties[name]) || fits(properties[name], each, root, deep + 1),
  );
}
