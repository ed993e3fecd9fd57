import { describe, expect, it } from "vitest";
import { csvOf } from "./csv";

describe("rows as CSV", () => {
  it("has a column for each name that any row has", () => {
    expect(csvOf([{ a: 1 }, { b: true, a: null }])).toBe("a,b\r\n1,\r\n,true\r\n");
  });

  it("quotes what would end a field or a line", () => {
    expect(csvOf([{ a: 'says "no", twice', b: "one\ntwo" }])).toBe(
      'a,b\r\n"says ""no"", twice","one\ntwo"\r\n',
    );
  });

  it("writes parts as JSON", () => {
    expect(csvOf([{ tags: ["x", "y"] }])).toBe('tags\r\n"[""x"",""y""]"\r\n');
  });

  it.each(["=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)"])("%s is no formula", (name) => {
    expect(csvOf([{ name }])).toBe(`name\r\n'${name}\r\n`);
    expect(csvOf([{ n: -1 }])).toBe("n\r\n-1\r\n");
  });
});
