/** What people do with runs: each proposes a state, and the rules answer. */

import { ApiFailure } from "./failures";
import { post, remove } from "./client";

type Answer = {
  status: "ACCEPT" | "REJECT" | "WAIT" | "ABORT";
  details: { reason?: string | null } | null;
  state: { type: string; name: string } | null;
};

export type Proposed = {
  type: string;
  name?: string;
  message?: string;
  state_details?: Record<string, unknown>;
};

type Kind = "flow_runs" | "task_runs";

/** Throws what the rules say when they do not accept. */
export async function propose(kind: Kind, id: string, state: Proposed, force = false): Promise<Answer> {
  const path = `/${kind}/${id}/set_state`;
  const answer = await post<Answer>(path, { state, force });
  return accepted(answer, `POST ${path}`);
}

function accepted(answer: Answer, asked: string): Answer {
  if (answer.status === "ACCEPT") return answer;
  const now = answer.state ? ` It is ${answer.state.name} now.` : "";
  throw new ApiFailure(200, asked, `${answer.details?.reason ?? `The rules said ${answer.status}.`}${now}`);
}

/** Run an ended run again: what completed answers from its record. */
export const retryRun = (id: string) =>
  propose("flow_runs", id, {
    type: "SCHEDULED",
    name: "AwaitingRetry",
    message: "asked for in the browser",
    state_details: { scheduled_time: new Date().toISOString() },
  });

/** Cancelled at once when nothing runs: then the rules answer with that state instead. */
export async function cancelRun(id: string): Promise<void> {
  const path = `/flow_runs/${id}/set_state`;
  const answer = await post<Answer>(path, {
    state: { type: "CANCELLING", name: "Cancelling" },
    force: false,
  });
  if (answer.state?.type !== "CANCELLED" && answer.state?.type !== "CANCELLING")
    accepted(answer, `POST ${path}`);
}

export const pauseRun = (id: string, seconds = 3_600) =>
  propose("flow_runs", id, {
    type: "PAUSED",
    name: "Paused",
    state_details: {
      pause_timeout: new Date(Date.now() + seconds * 1000).toISOString(),
      pause_reschedule: false,
    },
  });

export const scheduleNow = (id: string, message?: string) =>
  propose("flow_runs", id, {
    type: "SCHEDULED",
    name: "Scheduled",
    message,
    state_details: { scheduled_time: new Date().toISOString() },
  });

export async function resumeRun(id: string, input?: Record<string, unknown>): Promise<void> {
  const path = `/flow_runs/${id}/resume`;
  accepted(await post<Answer>(path, { run_input: input ?? null }), `POST ${path}`);
}

export const deleteRun = (id: string) => remove<undefined>(`/flow_runs/${id}`);
export const deleteTaskRun = (id: string) => remove<undefined>(`/task_runs/${id}`);
