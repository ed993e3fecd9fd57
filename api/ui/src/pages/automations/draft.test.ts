import { describe, expect, it } from "vitest";
import { newAction, type Simple, simpleOf, targetOf, triggerOf } from "./draft";

const failed: Simple = {
  subject: "flow-run",
  expect: ["Failed", "Crashed"],
  match: "",
  related: ["prefect.flow.1"],
  posture: "Reactive",
  threshold: 3,
  within: 600,
};

describe("a trigger in the form", () => {
  it("comes back as it was sent", () => expect(simpleOf(triggerOf(failed))).toEqual(failed));
  it("keeps the names of other events", () => {
    const own: Simple = { ...failed, subject: "event", expect: ["lake.file"], match: "lake.*", related: [] };
    expect(simpleOf(triggerOf(own))).toEqual(own);
  });
  it.each([
    [{ ...triggerOf(failed), after: ["x"] }],
    [{ ...triggerOf(failed), match: { "prefect.resource.name": "x" } }],
    [{ ...triggerOf(failed), match_related: [{ a: "b" }, { c: "d" }] }],
    [{ ...triggerOf(failed), for_each: ["prefect.resource.name"] }],
    [{ type: "sequence" as const, triggers: [triggerOf(failed)], within: 5 }],
  ])("is left to JSON where the form can't show all of it", (trigger) =>
    expect(simpleOf(trigger)).toBeNull(),
  );
});

describe("an action", () => {
  it("takes its target from the event where that has one", () =>
    expect(newAction("pause-deployment")).toEqual({ type: "pause-deployment", source: "inferred" }));
  it("asks which deployment it runs", () =>
    expect(newAction("run-deployment")).toMatchObject({ source: "selected" }));
  it("knows the field of its target", () =>
    expect(targetOf("resume-work-queue")?.field).toBe("work_queue_id"));
});
