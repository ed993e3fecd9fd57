import { describe, expect, it } from "vitest";
import { atControls, atFields, changed, defaultsOf, isSame, nested, placed } from "./compare";
import { fits } from "./fits";
import { readJson, readNumber, readUnion } from "./reading";
import { shapeOf, typeWords } from "./shape";
import { parseText, writtenAs } from "./text";

const props = (properties: Record<string, unknown>) =>
  shapeOf({ type: "object", properties })["properties"] as Record<string, Record<string, unknown>>;

describe("The shape of a schema", () => {
  it("says of each kind of value what may be given", () => {
    const shaped = props({
      region: { enum: ["eu", "us", "ap", "sa"], type: "string" },
      since: { type: "string", format: "date-time" },
      size: { type: "integer", minimum: 1, maximum: 50_000 },
      most: { anyOf: [{ type: "integer" }, { type: "null" }] },
      rates: { type: "object", additionalProperties: { type: "number" } },
      skip: { type: "array", items: { type: "string" } },
      either: { anyOf: [{ type: "integer" }, { type: "string" }] },
      any: { title: "any" },
      rows: { type: "array", items: {} },
    });
    expect(Object.values(shaped).map(typeWords)).toEqual([
      "one of 4",
      "date and time",
      "1 to 50,000",
      "whole number or nothing",
      "object",
      "list of text",
      "whole number or text",
      "any value",
      "list",
    ]);
  });

  it("keeps the order in which the author wrote the parameters", () => {
    const shaped = props({ b: { type: "string", position: 1 }, a: { type: "string", position: 0 } });
    expect(Object.keys(shaped)).toEqual(["a", "b"]);
  });

  it("has the fields of a block, and a choice for a block inside", () => {
    const bucket = { type: "object", block_type_slug: "bucket", properties: { path: { type: "string" } } };
    const shaped = shapeOf({ ...bucket, properties: { inner: bucket } });
    expect(shaped).not.toHaveProperty("block_type_slug");
    expect(shaped["properties"]).toEqual({ inner: bucket });
  });

  it("makes dots of what a block names as secret", () => {
    const shaped = shapeOf({ properties: { value: { title: "Value" } }, secret_fields: ["value", "gone"] });
    expect(shaped["properties"]).toMatchObject({ value: { type: "string", format: "password" } });
  });

  it("lets a reference keep its default, and be nothing", () => {
    const { mode } = props({
      mode: { anyOf: [{ $ref: "#/definitions/Mode" }, { type: "null" }], default: null },
    });
    expect(mode).toEqual({ $ref: "#/definitions/Mode", default: null, "x-nullable": true });
  });
});

describe("What is typed", () => {
  it("becomes a number only where it is one", () => {
    expect(readNumber("5", {})).toBe(5);
    expect(readNumber("2,400", {})).toBe("2,400");
    expect(readNumber("", { "x-nullable": true })).toBeNull();
    expect(readNumber("", {})).toBeUndefined();
    expect(readUnion("7", { "x-union": ["integer", "string"] })).toBe(7);
    expect(readUnion("seven", { "x-union": ["integer", "string"] })).toBe("seven");
    expect(readJson('{"a": 1}', {})).toEqual({ a: 1 });
    expect(readJson("{a", {})).toBe("{a");
  });

  it("is the same as JSON and as YAML", () => {
    const value = { region: "eu", sizes: [1, 2], none: null };
    for (const kind of ["json", "yaml"] as const)
      expect(parseText(kind, writtenAs(kind, value))).toEqual({ value });
    expect(parseText("json", "{")).toHaveProperty("problem");
    expect(parseText("yaml", "a: [1")).toHaveProperty("problem");
  });
});

describe("Values beside those that they started from", () => {
  it("are the same when nothing stands for nothing", () => {
    expect(isSame({ a: null, b: [1] }, { b: [1] })).toBe(true);
    expect(isSame([1, 2], [2, 1])).toBe(false);
  });

  it("send only what differs, and what was taken away as nothing", () => {
    expect(changed({ a: 1, b: 2, c: 3 }, { a: 1, b: 5 })).toEqual({ b: 5, c: null });
  });

  it("start from the defaults of the schema", () => {
    expect(defaultsOf({ properties: { a: { default: 0 }, b: {}, c: { default: null } } })).toEqual({
      a: 0,
      c: null,
    });
  });
});

describe("The server's problems", () => {
  it("stand at their fields", () => {
    const problems = atFields(
      placed([
        { property: "rates", errors: [{ property: "USD", errors: ["no number"] }] },
        { property: "sizes", errors: [{ index: 1, errors: ["too large"] }] },
        { property: "region", errors: ["'region' is a required property"] },
        "'mode' is a required property",
      ]),
    );
    expect(problems).toEqual([
      { path: ["rates", "USD"], text: "no number" },
      { path: ["sizes", 1], text: "too large" },
      { path: ["region"], text: "A value is required." },
      { path: ["mode"], text: "A value is required." },
    ]);
    expect(nested(problems)["rates"]).toEqual({ USD: { __errors: ["no number"] } });
  });
});

it("A problem inside a value with one field stands at that field", () => {
  const shaped = shapeOf({
    properties: {
      rates: { type: "object", additionalProperties: { type: "number" } },
      skip: { type: "array", items: { type: "string" } },
      place: { $ref: "#/definitions/Place" },
      places: { type: "array", items: { $ref: "#/definitions/Place" } },
    },
    definitions: { Place: { type: "object", properties: { x: { type: "number" } } } },
  });
  const told = (path: (string | number)[]) => atControls([{ path, text: "wrong" }], shaped)[0];
  expect(told(["rates", "USD"])).toEqual({ path: ["rates"], text: "USD: wrong" });
  expect(told(["skip", 1])).toEqual({ path: ["skip"], text: "1: wrong" });
  expect(told(["place", "x"])).toEqual({ path: ["place", "x"], text: "wrong" });
  expect(told(["places", 0, "x"])).toEqual({ path: ["places", 0, "x"], text: "wrong" });
  expect(told(["gone"])).toEqual({ path: ["gone"], text: "wrong" });
});

describe("A variant of a union", () => {
  const root = {
    definitions: { Cat: { type: "object", properties: { kind: { const: "cat" } }, required: ["kind"] } },
  };
  it("is found by its constants and what it requires", () => {
    expect(fits({ $ref: "#/definitions/Cat" }, { kind: "cat" }, root)).toBe(true);
    expect(fits({ $ref: "#/definitions/Cat" }, { kind: "dog" }, root)).toBe(false);
    expect(fits({ $ref: "#/definitions/Cat" }, {}, root)).toBe(false);
  });
});
