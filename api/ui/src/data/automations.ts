/** Automations: what they wait for, what they do, and when they did it. */

import { queryOptions } from "@tanstack/react-query";
import { get, patch, post, put, remove } from "./client";
import type { EventPage } from "./events";

export type EventTrigger = {
  type: "event";
  match: Record<string, string | string[]>;
  match_related: Record<string, string | string[]> | Record<string, string | string[]>[];
  after: string[];
  expect: string[];
  for_each: string[];
  posture: "Reactive" | "Proactive";
  threshold: number;
  within: number;
};
export type Trigger =
  | EventTrigger
  | { type: "compound"; triggers: Trigger[]; within: number | null; require: number | "any" | "all" }
  | { type: "sequence"; triggers: Trigger[]; within: number | null };
export type Action = { type: string; [field: string]: unknown };
export type Automation = {
  id: string;
  name: string;
  description: string;
  enabled: boolean;
  tags: string[];
  trigger: Trigger;
  actions: Action[];
  actions_on_trigger: Action[];
  actions_on_resolve: Action[];
  paused_reason: string | null;
  created: string;
  updated: string;
};
export type Written = Omit<Automation, "id" | "created" | "updated" | "paused_reason">;

export const automationsQuery = queryOptions({
  queryKey: ["automations"],
  queryFn: ({ signal }) =>
    post<Automation[]>("/automations/filter", { limit: 200, sort: "NAME_ASC" }, { signal }),
  refetchInterval: 15_000,
});

export const automationQuery = (id: string) =>
  queryOptions({
    queryKey: ["automations", id],
    queryFn: ({ signal }) => get<Automation>(`/automations/${id}`, { signal }),
  });

// Not that it was made or changed.
const FIRINGS = ["triggered", "resolved", "action."].map((each) => `prefect.automation.${each}`);

/** The newest events of automations: that they fired, acted, or failed to. */
export const firingsQuery = (id?: string, limit = 50) =>
  queryOptions({
    queryKey: ["automations", "firings", id ?? "all", limit],
    queryFn: ({ signal }) =>
      post<EventPage>(
        "/events/filter",
        {
          filter: {
            event: { prefix: FIRINGS },
            ...(id && { any_resource: { id: [`prefect.automation.${id}`] } }),
            order: "DESC",
          },
          limit,
        },
        { signal },
      ),
    refetchInterval: 5_000,
  });

export const createAutomation = (given: Written) => post<Automation>("/automations/", given);
export const replaceAutomation = (id: string, given: Written) => put<undefined>(`/automations/${id}`, given);
export const enableAutomation = (id: string, enabled: boolean) =>
  patch<undefined>(`/automations/${id}`, { enabled });
export const deleteAutomation = (id: string) => remove<undefined>(`/automations/${id}`);
