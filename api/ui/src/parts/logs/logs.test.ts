import { describe, expect, it } from "vitest";
import { alikeOf, harmless, marksOf, pieces, plain } from "./text";
import { hasTraceback, readTraceback, tokens } from "./traceback";

const shown = (text: string, marks?: RegExp | null) =>
  pieces(text, marks)
    .map((each) => each.text)
    .join("");

describe("the text of a line", () => {
  it("shows control characters as pictures and marks for direction by their number", () => {
    expect(harmless("a\x00b\x07c\u202ed\te\n")).toBe("a\u2400b\u2407c\u27e8U+202E\u27e9d\te\n");
  });
  it("keeps colours and drops what else a terminal obeys", () => {
    const found = pieces("\x1b[2J\x1b[31mred\x1b[0m\x1b]0;title\x07 plain\x1b[3A");
    expect(found.map((each) => [each.text, each.tone])).toEqual([
      ["red", "red"],
      [" plain", null],
    ]);
    expect(plain("\x1b[1;31mred\x1b[0m")).toBe("red");
  });
  it("links http and https and nothing else", () => {
    const found = pieces("see https://a.example/x?y=1. or javascript:alert(1) or http://b.example)");
    expect(found.filter((each) => each.href).map((each) => each.href)).toEqual([
      "https://a.example/x?y=1",
      "http://b.example/",
    ]);
    expect(found.map((each) => each.text).join("")).toBe(
      "see https://a.example/x?y=1. or javascript:alert(1) or http://b.example)",
    );
  });
  it("keeps markup as text", () => {
    const text = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    expect(shown(text)).toBe(text);
  });
  it("marks what is searched", () => {
    const marked = pieces("Connection lost, connection 12", marksOf("connection"));
    expect(marked.filter((each) => each.marked).map((each) => each.text)).toEqual([
      "Connection",
      "connection",
    ]);
    expect(marksOf("/(/")).toBeNull();
    expect(marksOf("a.b")?.test("axb")).toBe(false);
  });
  it("knows lines that differ in figures alone as alike", () => {
    expect(alikeOf("upserted 5,120 rows into 'a' in 1.4 s")).toBe(
      alikeOf("upserted 84 rows into 'bc' in 12 s"),
    );
  });
});

const TRACE = `Failed again
Traceback (most recent call last):
  File "/x/lib/python3.11/site-packages/heliostat/runtime/engine/body.py", line 8, in call
    return fn()
  File "/x/lib/python3.11/site-packages/ray/worker.py", line 9, in go
    fn()
    ^^^^
  File "/home/a/flows/checks.py", line 41, in check_schema
    row = normalised(row)
KeyError: 'currency'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/a/flows/b.py", line 4, in f
    raise ValueError("no") from None
ValueError: no`;

describe("a traceback", () => {
  const read = readTraceback(TRACE);
  it("folds frames of libraries and keeps the author's", () => {
    expect(hasTraceback(TRACE)).toBe(true);
    expect(read?.parts.map((part) => (part.kind === "folded" ? part.label : part.kind))).toEqual([
      "2 frames of Heliostat and Ray",
      "own",
      "text",
      "own",
      "text",
    ]);
  });
  it("keeps the words before it and the last error", () => {
    expect([read?.before, read?.error, read?.frames]).toEqual(["Failed again", "ValueError: no", 4]);
  });
  it("keeps code and drops the pointers below it", () => {
    const folded = read?.parts[0];
    expect(folded?.kind === "folded" && folded.frames.map((each) => each.code)).toEqual([
      ["return fn()"],
      ["fn()"],
    ]);
  });
  it("is read in no time however long it is", () => {
    expect(readTraceback(`Traceback (most recent call last):\n${"x".repeat(1_000_000)}`)?.frames).toBe(0);
  });
  it("has its code coloured", () => {
    expect(tokens('return row["a"] # x').map((each) => each.kind)).toEqual(["kw", null, "str", null, "com"]);
  });
});
