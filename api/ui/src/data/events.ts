/** Events: what happened, to which resource, with what around it. */

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get, post } from "./client";

export type Resource = Record<string, string>;
export type Event = {
  id: string;
  occurred: string;
  event: string;
  resource: Resource;
  related: Resource[];
  payload: Record<string, unknown>;
  follows: string | null;
};
export type EventPage = { events: Event[]; total: number; next_page: string | null };
export type EventCount = {
  value: string;
  label: string;
  count: number;
  start_time: string;
  end_time: string;
};

export type Asked = { hours: number; name: string; resource: string; text: string };

/** The filter of the standard API for what the page's fields ask. */
export function filterOf({ hours, name, resource, text }: Asked, until = new Date()) {
  const names = name
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
  const whole = names.filter((each) => !each.endsWith("*"));
  const prefix = names.filter((each) => each.endsWith("*")).map((each) => each.slice(0, -1));
  return {
    occurred: {
      since: new Date(until.getTime() - hours * 3_600_000).toISOString(),
      until: until.toISOString(),
    },
    ...(names.length > 0 && {
      event: { ...(whole.length > 0 && { name: whole }), ...(prefix.length > 0 && { prefix }) },
    }),
    ...(resource && { any_resource: { id_prefix: [resource] } }),
    ...(text && { text: { query: text.slice(0, 200) } }),
    order: "DESC",
  };
}

const tokenOf = (address: string) => new URL(address).searchParams.get("page-token") ?? "";

export const eventsQuery = (asked: Asked) =>
  infiniteQueryOptions({
    queryKey: ["events", "list", asked],
    queryFn: ({ pageParam, signal }) =>
      pageParam
        ? get<EventPage>("/events/filter/next", { query: { "page-token": pageParam }, signal })
        : post<EventPage>("/events/filter", { filter: filterOf(asked) }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => (last.next_page ? tokenOf(last.next_page) : undefined),
    refetchInterval: 10_000,
  });

const UNITS: readonly (readonly [number, string, number])[] = [
  [1, "minute", 1],
  [6, "minute", 5],
  [24, "minute", 20],
  [168, "hour", 2],
  [720, "hour", 12],
];

export const eventCountsQuery = (asked: Asked) => {
  const [, time_unit, time_interval] = UNITS.find(([hours]) => asked.hours <= hours) ?? [0, "day", 1];
  return queryOptions({
    queryKey: ["events", "counts", asked],
    queryFn: ({ signal }) =>
      post<EventCount[]>(
        "/events/count-by/time",
        { filter: filterOf(asked), time_unit, time_interval },
        { signal },
      ),
    refetchInterval: 10_000,
  });
};

export const eventNamesQuery = (hours: number) =>
  queryOptions({
    queryKey: ["events", "names", hours],
    queryFn: ({ signal }) =>
      post<EventCount[]>(
        "/events/count-by/event",
        { filter: filterOf({ hours, name: "", resource: "", text: "" }) },
        { signal },
      ),
  });

export const resourceId = (resource: Resource) => resource["prefect.resource.id"] ?? "";
export const resourceName = (resource: Resource) => resource["prefect.resource.name"] ?? resourceId(resource);

/** The page of what an event is about, where there is one. */
export function pageOf(resource: Resource): string | null {
  const id = resourceId(resource);
  const own = id.slice(id.lastIndexOf(".") + 1);
  if (/^prefect\.flow-run\./.test(id)) return `/runs/${own}`;
  if (/^prefect\.task-run\./.test(id)) return `/task-runs/${own}`;
  if (/^prefect\.flow\./.test(id)) return `/flows/${own}`;
  if (/^prefect\.deployment\./.test(id)) return `/deployments/${own}`;
  if (/^prefect\.work-pool\./.test(id)) return `/work-pools/${encodeURIComponent(resourceName(resource))}`;
  if (/^prefect\.automation\./.test(id)) return `/automations/${own}`;
  return null;
}
