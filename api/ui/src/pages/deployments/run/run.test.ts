import { expect, it } from "vitest";
import type { ClusterNode } from "@/data/cluster";
import { bodyOf, cliOf, freshDraft, pythonOf } from "./draft";
import { fitOf } from "./fitting";
import { MOST_RUNS, stepsBetween, valueOf } from "./steps";

const BASES = { parameters: { region: "eu", size: 5 }, job: { env: { STAGE: "prod" }, num_cpus: 1 } };

it("Only what differs from the deployment is sent", () => {
  const draft = freshDraft(BASES);
  expect(bodyOf(draft, BASES)).toEqual({});
  const changed = {
    ...draft,
    parameters: { region: "us", size: 5 },
    job: { env: { STAGE: "prod", LEVEL: "DEBUG" }, num_cpus: 1 },
    tags: ["repair"],
    retries: "2",
  };
  expect(bodyOf(changed, BASES)).toEqual({
    parameters: { region: "us" },
    job_variables: { env: { LEVEL: "DEBUG" } },
    tags: ["repair"],
    empirical_policy: { retries: 2 },
  });
});

it("A command quotes what the shell would read otherwise", () => {
  const body = { parameters: { query: "it's here", sizes: [1, 2] }, work_queue_name: "bulk" };
  expect(cliOf("etl/daily", body)).toBe(
    [
      "heliostat deployment run etl/daily",
      `--param 'query=it'\\''s here'`,
      "--param 'sizes=[1,2]'",
      "--work-queue bulk",
      "--watch",
    ].join(" \\\n  "),
  );
  expect(pythonOf("etl/daily", { parameters: { a: null, b: true } })).toContain('{"a": None, "b": True}');
  expect(cliOf("etl/daily", { empirical_policy: { retries: 1 } })).toBeNull();
});

it("A range has a run for each step, and no more than may be made at once", () => {
  const days = stepsBetween("2026-03-27T00:00", "2026-03-31T00:00", "day", "Europe/Berlin");
  expect(days.map((at) => valueOf(at, "date", "Europe/Berlin"))).toEqual([
    "2026-03-27",
    "2026-03-28",
    "2026-03-29",
    "2026-03-30",
    "2026-03-31",
  ]);
  expect(stepsBetween("2026-01-01T00:00", "2027-01-01T00:00", "day", "UTC")).toHaveLength(MOST_RUNS + 1);
  expect(stepsBetween("2026-02-01T00:00", "2026-01-01T00:00", "day", "UTC")).toEqual([]);
});

it("What a process asks for has to be there on one node", () => {
  const node = (cpus: number, used: number) => ({
    cpus,
    cpus_used: used,
    gpus: 0,
    gpus_used: 0,
    memory: 1e9,
  });
  const nodes = [node(4, 3), node(8, 8)] as ClusterNode[];
  expect(fitOf({ num_cpus: 1 }, nodes)?.tone).toBe("good");
  expect(fitOf({ num_cpus: 6 }, nodes)?.tone).toBe("wait");
  expect(fitOf({ num_cpus: 9 }, nodes)?.tone).toBe("bad");
  expect(fitOf({ num_gpus: 1 }, nodes)?.tone).toBe("bad");
  expect(fitOf({}, nodes)?.text).toContain("1 of 12 CPUs free on 2 nodes");
  expect(fitOf({}, [])).toBeNull();
});
