import { describe, expect, it } from "vitest";
import { fileOf, revisionOf } from "./code";

describe("the code behind a deployment", () => {
  it.each([
    ["flows/etl.py:main", "flows/etl.py"],
    ["./etl.py:main", "etl.py"],
    ["jobs.etl:main", "jobs/etl.py"],
    [null, null],
  ])("%j lies in %j", (entrypoint, file) => {
    expect(fileOf(entrypoint)).toBe(file);
  });

  it("is the revision that its steps fetch", () => {
    const revision = "a1".repeat(32);
    expect(revisionOf([{ "heliostat.pull": { revision } }])).toBe(revision);
    expect(revisionOf([{ "git.clone": { repository: "https://code.example/etl" } }])).toBeNull();
    expect(revisionOf(null)).toBeNull();
  });
});
