/** Objects by a part of their name, or by their whole id. */

import { queryOptions } from "@tanstack/react-query";
import { get, post } from "./client";
import { ApiFailure } from "./failures";

export type Found = {
  to: string;
  group: string;
  text: string;
  about?: string;
  state?: { type: string; name: string };
};

type Named = { id: string; name: string };
type Run = Named & { state_type: string | null; state_name: string | null };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const EACH = 6;

const named = (text: string) => ({ name: { like_: text } });
const shown = (run: Run) => ({ type: run.state_type ?? "", name: run.state_name ?? "" });

async function byId(id: string): Promise<Found[]> {
  const tries: [string, string, string][] = [
    ["/flow_runs/", "/runs/", "Runs"],
    ["/task_runs/", "/task-runs/", "Task runs"],
    ["/deployments/", "/deployments/", "Deployments"],
    ["/flows/", "/flows/", "Flows"],
  ];
  const answers = await Promise.all(
    tries.map(async ([asked, page, group]) => {
      try {
        const each = await get<Named>(`${asked}${id}`);
        return [{ to: `${page}${id}`, group, text: each.name }];
      } catch (error) {
        if (error instanceof ApiFailure && error.isGone) return [];
        throw error;
      }
    }),
  );
  return answers.flat();
}

async function byName(text: string): Promise<Found[]> {
  const [runs, flows, deployments] = await Promise.all([
    post<Run[]>("/flow_runs/filter", {
      flow_runs: named(text),
      limit: EACH,
      sort: "EXPECTED_START_TIME_DESC",
    }),
    post<Named[]>("/flows/filter", { flows: named(text), limit: EACH }),
    post<Named[]>("/deployments/filter", { deployments: named(text), limit: EACH }),
  ]);
  return [
    ...runs.map((run) => ({ to: `/runs/${run.id}`, group: "Runs", text: run.name, state: shown(run) })),
    ...deployments.map((each) => ({ to: `/deployments/${each.id}`, group: "Deployments", text: each.name })),
    ...flows.map((each) => ({ to: `/flows/${each.id}`, group: "Flows", text: each.name })),
  ];
}

export const searchQuery = (text: string) =>
  queryOptions({
    queryKey: ["search", text],
    queryFn: () => (UUID.test(text) ? byId(text) : byName(text)),
    staleTime: 10_000,
  });
