import { describe, expect, it } from "vitest";
import { actionInWords, automationInWords, eventsInWords, triggerInWords } from "./automations";

const event = { type: "event", posture: "Reactive", threshold: 1, within: 0 };

describe("automations in words", () => {
  it("name the states of a run", () =>
    expect(eventsInWords(["prefect.flow-run.Failed", "prefect.flow-run.Crashed"])).toBe(
      "a flow run is Failed or Crashed",
    ));
  it("name events of others as they are", () => expect(eventsInWords(["my.event"])).toBe("my.event happens"));
  it("say a count within a time", () =>
    expect(triggerInWords({ ...event, expect: ["prefect.flow-run.Failed"], threshold: 3, within: 600 })).toBe(
      "a flow run is Failed 3 times within 10 m 00 s",
    ));
  it("say what does not happen", () =>
    expect(
      triggerInWords({
        ...event,
        posture: "Proactive",
        after: ["prefect.flow-run.Running"],
        expect: ["prefect.flow-run.Completed"],
        within: 3600,
      }),
    ).toBe("a flow run is Running, and then it does not happen for 1 h 00 m that a flow run is Completed"));
  it("tell inferred targets from chosen ones", () => {
    expect(actionInWords({ type: "pause-deployment", source: "inferred" })).toBe("pause its deployment");
    expect(actionInWords({ type: "pause-automation", source: "selected" })).toBe("pause an automation");
  });
  it("join actions", () =>
    expect(
      automationInWords({
        trigger: { ...event, expect: ["prefect.work-pool.not-ready"] },
        actions: [{ type: "send-notification" }, { type: "do-nothing" }],
      }),
    ).toBe("When a work pool is not ready, then send a notification and do nothing"));
  it("nest triggers", () =>
    expect(
      triggerInWords({
        type: "compound",
        require: "all",
        within: 60,
        triggers: [
          { ...event, expect: ["a"] },
          { ...event, expect: ["b"] },
        ],
      }),
    ).toBe("all of: a happens; b happens within 1 m 00 s"));
});
