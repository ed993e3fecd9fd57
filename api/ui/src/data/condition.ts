import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";

export type Service = {
  name: string;
  does: string;
  process: { host: string; pid: number; started: string; last_beat: string; running: boolean } | null;
};
export type Condition = {
  version: string;
  database: {
    kind: string;
    url: string;
    version: string;
    schema_version: string;
    answers_in_s: number;
    size_bytes: number | null;
  };
  services: Service[];
};
export type Setting = { value: string; source: string; about: string };

export const conditionQuery = queryOptions({
  queryKey: ["condition"],
  queryFn: ({ signal }) => get<Condition>("/heliostat/condition", { signal }),
  refetchInterval: 10_000,
});

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }) => get<Record<string, Setting>>("/admin/settings", { signal }),
  staleTime: 60_000,
});

/** Services without a process that beats. */
export const standingStill = (condition: Condition) =>
  condition.services.filter((each) => !each.process?.running);
