/** Automations as sentences: "when a flow run is Failed 3 times in 10 m 00 s, then pause its deployment". */

import { duration } from "./numbers";

type Match = Record<string, string | string[]>;
type Trigger = {
  type: string;
  expect?: string[];
  after?: string[];
  match?: Match;
  match_related?: Match | Match[];
  posture?: string;
  threshold?: number;
  within?: number | null;
  triggers?: Trigger[];
  require?: number | string;
};
type Action = { type: string; [field: string]: unknown };

const SUBJECTS: readonly (readonly [string, string])[] = [
  ["prefect.flow-run.", "a flow run"],
  ["prefect.task-run.", "a task run"],
  ["prefect.deployment.", "a deployment"],
  ["prefect.work-pool.", "a work pool"],
  ["prefect.work-queue.", "a work queue"],
  ["prefect.automation.", "an automation"],
];

function list(words: readonly string[], joint: string): string {
  if (words.length < 2) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} ${joint} ${words.at(-1) ?? ""}`;
}

/** "a flow run is Failed or Crashed"; other events by their names. */
export function eventsInWords(names: readonly string[]): string {
  if (names.length === 0) return "anything happens";
  const subject = SUBJECTS.find(([prefix]) => names.every((name) => name.startsWith(prefix)));
  if (!subject) return `${list(names, "or")} happens`;
  const states = names.map((name) => name.slice(subject[0].length));
  if (states.includes("*")) return `anything happens to ${subject[1]}`;
  return `${subject[1]} is ${list(
    states.map((state) => state.replaceAll("-", " ")),
    "or",
  )}`;
}

export function triggerInWords(trigger: Trigger): string {
  if (trigger.type === "compound" || trigger.type === "sequence") {
    const parts = (trigger.triggers ?? []).map(triggerInWords);
    const span = trigger.within ? ` within ${duration(trigger.within)}` : "";
    if (trigger.type === "sequence") return `${parts.join(", then ")}${span}`;
    const need =
      trigger.require === "any"
        ? "any of"
        : trigger.require === "all"
          ? "all of"
          : `${String(trigger.require)} of`;
    return `${need}: ${parts.join("; ")}${span}`;
  }
  const what = eventsInWords(trigger.expect ?? []);
  const times = trigger.threshold ?? 1;
  const span = trigger.within ?? 0;
  if (trigger.posture === "Proactive") {
    const after = (trigger.after ?? []).length > 0 ? `${eventsInWords(trigger.after ?? [])}, and then ` : "";
    return `${after}it does not happen for ${duration(span)} that ${what}`;
  }
  if (times <= 1) return what;
  return `${what} ${times} times${span ? ` within ${duration(span)}` : ""}`;
}

const ACTIONS: Readonly<Record<string, string>> = {
  "do-nothing": "do nothing",
  "run-deployment": "run a deployment",
  "pause-deployment": "pause a deployment",
  "resume-deployment": "resume a deployment",
  "cancel-flow-run": "cancel the flow run",
  "delete-flow-run": "delete the flow run",
  "change-flow-run-state": "change the flow run's state",
  "pause-work-queue": "pause a work queue",
  "resume-work-queue": "resume a work queue",
  "send-notification": "send a notification",
  "call-webhook": "call a webhook",
  "pause-automation": "pause an automation",
  "resume-automation": "resume an automation",
  "suspend-flow-run": "suspend the flow run",
  "resume-flow-run": "resume the flow run",
  "pause-work-pool": "pause a work pool",
  "resume-work-pool": "resume a work pool",
};

export const ACTION_TYPES: readonly string[] = Object.keys(ACTIONS);

export function actionInWords(action: Action): string {
  const words = ACTIONS[action.type] ?? action.type;
  if (action.type === "change-flow-run-state")
    return `${words} to ${String(action["name"] ?? action["state"])}`;
  return action["source"] === "inferred" ? words.replace(/ an? /, " its ") : words;
}

/** "When …, then …". */
export function automationInWords(automation: { trigger: Trigger; actions: readonly Action[] }): string {
  return `When ${triggerInWords(automation.trigger)}, then ${list(automation.actions.map(actionInWords), "and")}`;
}
