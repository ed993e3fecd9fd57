/** What schedules are going to start, and changing single dates of them. */

import { queryOptions } from "@tanstack/react-query";
import { post } from "./client";
import type { Definition } from "./deployments";
import type { Usual } from "./usual";

export type Planned = {
  at: string;
  deployment_id: string;
  schedule_id: string | null;
  run_id: string | null;
  run_name: string | null;
  slot_at: string | null;
  skipped: boolean;
};

export type Band = {
  day: number;
  deployment_id: string;
  schedule_id: string;
  count: number;
  first: string;
  last: string;
};

export type PlannedDeployment = {
  id: string;
  name: string;
  flow_id: string;
  flow_name: string;
  paused: boolean;
  tags: string[];
  pool: string | null;
  queue: string | null;
  limit: number | null;
  usual: Usual | null;
  updated: string;
};

export type PlannedSchedule = {
  id: string;
  deployment_id: string;
  definition: Definition;
  slug: string | null;
  active: boolean;
};

export type Upcoming = {
  days: number[];
  planned: Planned[];
  bands: Band[];
  next: Planned[];
  deployments: PlannedDeployment[];
  schedules: PlannedSchedule[];
  is_cut: boolean;
};

export type UpcomingAsk = {
  /** The first day: "2026-11-26". */
  start: string;
  days: number;
  zone: string;
  pool?: string;
  deployment_id?: string;
  next_count?: number;
};

export const upcomingQuery = (ask: UpcomingAsk) =>
  queryOptions({
    queryKey: ["upcoming", ask],
    queryFn: ({ signal }) => post<Upcoming>("/heliostat/upcoming", ask, { signal }),
    // Time goes on: what was next has begun.
    refetchInterval: 30_000,
    meta: { live: ["flow_runs", "deployments"] },
  });

/** The run of a date: dates far ahead have none yet, and get one when they are changed. */
async function runOf(date: Planned): Promise<string> {
  if (date.run_id) return date.run_id;
  const made = await post<{ flow_run_id: string }>("/heliostat/upcoming/run", {
    schedule_id: date.schedule_id,
    at: date.at,
  });
  return made.flow_run_id;
}

type Answer = { status: string; details: { reason?: string | null } };

async function set(run: string, state: Record<string, unknown>, force = false): Promise<void> {
  const answer = await post<Answer>(`/flow_runs/${run}/set_state`, { state, force });
  if (answer.status !== "ACCEPT") throw new Error(answer.details.reason ?? "The server did not accept it.");
}

const scheduled = (at: string) => ({ type: "SCHEDULED", state_details: { scheduled_time: at } });

/** Take one date out of its schedule; the run stays as Skipped, so that it can be put back. */
export async function skip(date: Planned): Promise<Planned> {
  const run = await runOf(date);
  await set(run, { type: "CANCELLED", name: "Skipped", message: "Skipped by hand." });
  return { ...date, run_id: run, skipped: true };
}

export async function putBack(date: Planned): Promise<void> {
  await set(await runOf(date), scheduled(date.at), true);
}

export async function move(date: Planned, to: string): Promise<Planned> {
  const run = await runOf(date);
  await set(run, scheduled(to));
  return { ...date, run_id: run, at: to, slot_at: date.slot_at ?? date.at };
}

export async function runNow(date: Planned): Promise<string> {
  const run = await runOf(date);
  await set(run, scheduled(new Date().toISOString()));
  return run;
}
