/** An automation while it is written: what the form shows, and what is sent. */

import type { Action, EventTrigger, Trigger, Written } from "@/data/automations";

const ID = "prefect.resource.id";

export type Subject = "flow-run" | "deployment" | "work-pool" | "work-queue" | "event";

/** The states of each subject that a form offers, as the last part of an event's name. */
export const STATES: Readonly<Record<Exclude<Subject, "event">, readonly string[]>> = {
  "flow-run": [
    "Scheduled",
    "Late",
    "Pending",
    "Running",
    "Retrying",
    "Paused",
    "Suspended",
    "Completed",
    "Failed",
    "TimedOut",
    "Crashed",
    "Cancelling",
    "Cancelled",
  ],
  deployment: ["ready", "not-ready"],
  "work-pool": ["ready", "not-ready", "paused"],
  "work-queue": ["ready", "not-ready", "paused"],
};

export const SUBJECTS: readonly { value: Subject; text: string }[] = [
  { value: "flow-run", text: "a flow run" },
  { value: "deployment", text: "a deployment" },
  { value: "work-pool", text: "a work pool" },
  { value: "work-queue", text: "a work queue" },
  { value: "event", text: "any event" },
];

export type Simple = {
  subject: Subject;
  /** States of the subject; for `event` the names of events. */
  expect: string[];
  /** Ids of resources that the event must be about, or that stand beside it. */
  match: string;
  related: string[];
  posture: "Reactive" | "Proactive";
  threshold: number;
  within: number;
};

export const EMPTY: Written = {
  name: "",
  description: "",
  enabled: true,
  tags: [],
  trigger: triggerOf({
    subject: "flow-run",
    expect: ["Failed", "Crashed"],
    match: "",
    related: [],
    posture: "Reactive",
    threshold: 1,
    within: 0,
  }),
  actions: [{ type: "do-nothing" }],
  actions_on_trigger: [],
  actions_on_resolve: [],
};

/** The trigger of the standard API that the form says. */
export function triggerOf(simple: Simple): EventTrigger {
  const isEvent = simple.subject === "event";
  const expect = isEvent ? simple.expect : simple.expect.map((state) => `prefect.${simple.subject}.${state}`);
  const match = simple.match || (isEvent ? "" : `prefect.${simple.subject}.*`);
  return {
    type: "event",
    match: match ? { [ID]: match } : {},
    match_related: simple.related.length > 0 ? { [ID]: simple.related } : {},
    after: [],
    expect,
    // One by one: three failures of one deployment are not one failure each of three.
    for_each: [ID],
    posture: simple.posture,
    threshold: simple.threshold,
    within: simple.within,
  };
}

/** What the form can show of a trigger; null where it can't show all of it, and JSON has to. */
export function simpleOf(trigger: Trigger): Simple | null {
  if (trigger.type !== "event" || trigger.after.length > 0) return null;
  if (trigger.for_each.length > 1 || (trigger.for_each[0] ?? ID) !== ID) return null;
  const match = onlyId(trigger.match);
  if (match === null || match.length > 1 || Array.isArray(trigger.match_related)) return null;
  const related = onlyId(trigger.match_related);
  if (related === null) return null;
  const subject = subjectOf(trigger.expect);
  const prefix = `prefect.${subject}.`;
  const whole = subject === "event" ? "" : `${prefix}*`;
  return {
    subject,
    expect: subject === "event" ? trigger.expect : trigger.expect.map((name) => name.slice(prefix.length)),
    match: match[0] === whole ? "" : (match[0] ?? ""),
    related,
    posture: trigger.posture,
    threshold: trigger.threshold,
    within: trigger.within,
  };
}

function onlyId(match: Record<string, string | string[]>): string[] | null {
  const labels = Object.keys(match);
  if (labels.length === 0) return [];
  if (labels.length > 1 || labels[0] !== ID) return null;
  const value = match[ID] ?? [];
  return Array.isArray(value) ? value : [value];
}

function subjectOf(expect: readonly string[]): Subject {
  for (const subject of ["flow-run", "deployment", "work-pool", "work-queue"] as const) {
    const known = STATES[subject].map((state) => `prefect.${subject}.${state}`);
    if (expect.length > 0 && expect.every((name) => known.includes(name))) return subject;
  }
  return "event";
}

/** A new action of a type with what that type needs. */
export function newAction(type: string): Action {
  if (/-(deployment|work-pool|work-queue|automation)$/.test(type)) {
    const isRun = type === "run-deployment" || type.endsWith("-automation");
    return { type, source: isRun ? "selected" : "inferred" };
  }
  if (type === "change-flow-run-state") return { type, state: "FAILED" };
  if (type === "send-notification")
    return {
      type,
      subject: "{{ flow.name }}: {{ flow_run.state.name }}",
      body: "Flow run {{ flow_run.name }} is {{ flow_run.state.name }}: {{ flow_run.state.message }}",
    };
  return { type };
}

/** Which field of an action names its target, and of what kind that is. */
export function targetOf(
  type: string,
): { field: string; noun: "deployments" | "work_pools" | "work_queues" | "automations" } | null {
  if (type.endsWith("-deployment")) return { field: "deployment_id", noun: "deployments" };
  if (type.endsWith("-work-pool")) return { field: "work_pool_id", noun: "work_pools" };
  if (type.endsWith("-work-queue")) return { field: "work_queue_id", noun: "work_queues" };
  if (type.endsWith("-automation")) return { field: "automation_id", noun: "automations" };
  return null;
}
