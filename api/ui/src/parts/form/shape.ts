/** A JSON schema made simpler before it is drawn: what may be nothing, what is best typed as JSON, in which order. */

export type Schema = Record<string, unknown>;

export const NULLABLE = "x-nullable";
export const AS_JSON = "x-json";
export const UNION = "x-union";

const SCALARS = new Set(["string", "integer", "number", "boolean"]);

export const isRecord = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isNull = (schema: unknown) =>
  isRecord(schema) && (schema["type"] === "null" || schema["const"] === null);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The same schema for the form: nothing is added that the server would not accept. */
export function shapeOf(schema: unknown): Schema {
  const root = isRecord(schema) ? schema : {};
  const shaped: Schema = { ...root, type: "object", properties: shapesOf(root["properties"]) };
  for (const place of ["definitions", "$defs"])
    if (isRecord(root[place])) shaped[place] = shapesOf(root[place]);
  hide(shaped["properties"] as Record<string, Schema>, list(root["secret_fields"]));
  delete shaped["title"];
  delete shaped["block_type_slug"]; // the form of a block has its fields; only inside of others it is a choice
  return shaped;
}

/** Fields that a block names as secret are typed as dots, even where its schema takes any value. */
function hide(properties: Record<string, Schema>, names: readonly unknown[]): void {
  for (const name of names) {
    const field = typeof name === "string" ? properties[name] : undefined;
    if (typeof name !== "string" || field?.[AS_JSON] !== true) continue;
    const { title, description } = field;
    properties[name] = { title, description, type: "string", format: "password", writeOnly: true };
  }
}

function shapesOf(schemas: unknown): Record<string, Schema> {
  const entries = Object.entries(isRecord(schemas) ? schemas : {});
  const position = ([, each]: [string, unknown]) =>
    isRecord(each) && typeof each["position"] === "number" ? each["position"] : Infinity;
  const sorted = entries.every((each) => position(each) === Infinity)
    ? entries
    : [...entries].sort((one, other) => position(one) - position(other));
  return Object.fromEntries(sorted.map(([name, each]) => [name, shape(each)]));
}

function asJson(schema: Schema): Schema {
  const kept: Schema = { type: "object", [AS_JSON]: true };
  for (const key of ["title", "description", "default", NULLABLE]) if (key in schema) kept[key] = schema[key];
  if (schema["type"] === "array") kept[AS_JSON] = "list";
  if (schema["type"] === "object") kept[AS_JSON] = "object";
  return kept;
}

function shape(given: unknown): Schema {
  if (!isRecord(given)) return asJson({});
  const { allOf, ...own } = given;
  const only = list(allOf);
  let schema = only.length === 1 && isRecord(only[0]) ? { ...only[0], ...own } : given;
  for (const key of ["anyOf", "oneOf"]) if (Array.isArray(schema[key])) schema = oneOf(schema, key);
  if (Array.isArray(schema["type"])) schema = typed(schema, schema["type"] as string[]);
  if ("$ref" in schema || UNION in schema || AS_JSON in schema || "block_type_slug" in schema) return schema;
  if ("const" in schema) schema = { ...schema, enum: [schema["const"]] };
  if (Array.isArray(schema["enum"])) return { ...schema, type: schema["type"] ?? "string" };
  if (Array.isArray(schema["anyOf"]) || Array.isArray(schema["oneOf"])) return schema;
  if (isRecord(schema["properties"]) && Object.keys(schema["properties"]).length > 0)
    return { ...schema, type: "object", properties: shapesOf(schema["properties"]) };
  if (schema["type"] === "array" && isRecord(schema["items"]) && !("prefixItems" in schema)) {
    const items = shape(schema["items"]);
    if (!(AS_JSON in items) && items["type"] !== "array") return { ...schema, items };
  }
  if (SCALARS.has(String(schema["type"]))) return schema;
  return asJson(schema);
}

function oneOf(schema: Schema, key: string): Schema {
  const { [key]: options, ...rest } = schema;
  const all = list(options);
  const others = all.filter((each) => !isNull(each));
  const nullable = others.length < all.length || rest[NULLABLE] === true ? { [NULLABLE]: true } : {};
  const [first] = others;
  if (others.length === 1 && isRecord(first)) return { ...first, ...rest, ...nullable };
  if (others.every((each) => isRecord(each) && SCALARS.has(String(each["type"])) && !("enum" in each))) {
    const types = others.map((each) => String((each as Schema)["type"]));
    return { ...rest, ...nullable, type: "string", [UNION]: types };
  }
  const objects = others.every((each) => isRecord(each) && ("$ref" in each || "properties" in each));
  return objects && others.length > 0 ? { ...rest, [key]: all.map(named) } : asJson({ ...rest, ...nullable });
}

function named(option: unknown): Schema {
  if (isNull(option)) return { type: "null", title: "nothing" };
  const shaped = shape(option);
  const ref = String(shaped["$ref"] ?? "");
  return ref ? { title: ref.split("/").pop(), ...shaped } : shaped;
}

function typed(schema: Schema, types: string[]): Schema {
  const others = types.filter((each) => each !== "null");
  const nullable = others.length < types.length ? { [NULLABLE]: true } : {};
  if (others.length === 1) return { ...schema, ...nullable, type: others[0] };
  if (others.length > 1 && others.every((each) => SCALARS.has(each)))
    return { ...schema, ...nullable, type: "string", [UNION]: others };
  return asJson({ ...schema, ...nullable });
}

const FIGURE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 20 });
const FORMATS: Readonly<Record<string, string>> = {
  "date-time": "date and time",
  date: "date",
  time: "time",
  duration: "duration",
  password: "secret",
  uuid: "id",
  uri: "address",
  email: "mail address",
};
const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
};

/** What may be given, in two or three words: "one of 4", "1 to 50,000", "list of text or nothing". */
export function typeWords(schema: Schema): string {
  const words = wordsOf(schema);
  return schema[NULLABLE] === true ? `${words} or nothing` : words;
}

function wordsOf(schema: Schema): string {
  if (AS_JSON in schema) return { list: "list", object: "object" }[String(schema[AS_JSON])] ?? "any value";
  if (typeof schema["block_type_slug"] === "string") return `block ${schema["block_type_slug"]}`;
  if (Array.isArray(schema["enum"]))
    return schema["enum"].length === 1 ? "one value" : `one of ${schema["enum"].length}`;
  if (Array.isArray(schema[UNION]))
    return (schema[UNION] as string[]).map((each) => TYPES[each] ?? each).join(" or ");
  if (schema["type"] === "array")
    return `list of ${wordsOf(isRecord(schema["items"]) ? schema["items"] : {})}`;
  if (schema["type"] === "object" || "$ref" in schema) return "object";
  if (schema["type"] === "string")
    return schema["writeOnly"] === true ? "secret" : (FORMATS[String(schema["format"])] ?? "text");
  return rangeOf(schema) ?? TYPES[String(schema["type"])] ?? "any value";
}

function rangeOf(schema: Schema): string | null {
  const figure = (key: string) => (typeof schema[key] === "number" ? FIGURE.format(schema[key]) : null);
  const [least, most] = [figure("minimum"), figure("maximum")];
  if (least !== null && most !== null) return `${least} to ${most}`;
  if (least !== null) return `at least ${least}`;
  if (most !== null) return `at most ${most}`;
  const [above, below] = [figure("exclusiveMinimum"), figure("exclusiveMaximum")];
  if (above !== null) return `above ${above}`;
  return below === null ? null : `below ${below}`;
}
