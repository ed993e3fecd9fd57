/** Changes of many runs at once: jobs of the server, followed while they are at work. */

import { queryOptions } from "@tanstack/react-query";
import { get, post } from "./client";

export type JobVerb = "cancel" | "retry" | "set-state" | "delete";
export type Job = {
  id: string;
  verb: JobVerb;
  asked: { label?: string; state?: { type: string; name?: string | null } };
  status: "waiting" | "running" | "done" | "cancelled";
  total: number;
  begins: string;
  created: string;
  ended: string | null;
  outcomes: Partial<Record<"done" | "refused" | "changed" | "gone", number>>;
};
export type JobRun = { flow_run_id: string; outcome: string | null; reason: string | null };

export type NewJob = {
  verb: JobVerb;
  terms?: unknown[];
  hide_subflows?: boolean;
  flow_run_ids?: string[];
  state?: { type: string; name?: string; message?: string };
  force?: boolean;
  label?: string;
  begins_in_s?: number;
};

export const createJob = (job: NewJob) => post<Job>("/heliostat/jobs", job);
export const cancelJob = (id: string) => post<Job>(`/heliostat/jobs/${id}/cancel`);

export const isOpen = (job: Job) => job.ended === null;

export const jobsQuery = queryOptions({
  queryKey: ["jobs"],
  queryFn: ({ signal }) => get<Job[]>("/heliostat/jobs", { signal }),
  refetchInterval: (query) => (query.state.data?.some(isOpen) ? 1_000 : 15_000),
});

/** The runs that a job left as they were, and why. */
export const refusedQuery = (id: string) =>
  queryOptions({
    queryKey: ["job_refused", id],
    queryFn: ({ signal }) =>
      get<JobRun[]>(`/heliostat/jobs/${id}/runs`, { query: { outcome: "refused", limit: 50 }, signal }),
  });

const DOING: Readonly<Record<JobVerb, string>> = {
  cancel: "Cancelling",
  retry: "Retrying",
  "set-state": "Setting the state of",
  delete: "Deleting",
};
const DONE: Readonly<Record<JobVerb, string>> = {
  cancel: "Cancelled",
  retry: "Retried",
  "set-state": "Set the state of",
  delete: "Deleted",
};

export const doing = (verb: JobVerb) => DOING[verb];
export const didWord = (verb: JobVerb) => DONE[verb];

/** How many runs have had their turn. */
export function turns(job: Job): number {
  return Object.values(job.outcomes).reduce((sum, each) => sum + each, 0);
}
