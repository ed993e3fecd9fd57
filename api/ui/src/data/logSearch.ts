/** Searching the log lines of all runs: the query's text as the server takes it, pages, and new lines. */

import {
  infiniteQueryOptions,
  queryOptions,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import { spanOf, split, type Token, tokens } from "@/words/query";
import { askRaw, get, post } from "./client";
import type { LogLine } from "./logs";

export type LogLevelWord = "debug" | "info" | "warning" | "error";
export const LOG_LEVELS: readonly LogLevelWord[] = ["error", "warning", "info", "debug"];

export type LogAsk = { q: string; order: "newest" | "oldest" };
type Query = Record<string, unknown>;
type WireLine = {
  id: number;
  flow_run_id: string;
  task_run_id: string | null;
  timestamp: string;
  level: number;
  name: string;
  message: string;
  characters: number;
};
export type RunOfLine = { name: string; flow_name: string; flow_id: string };
type Answer = { lines: WireLine[]; runs: Record<string, RunOfLine>; tasks: Record<string, string> };
type Page = Answer & { cursor: string | null; is_whole: boolean; newest_id: number };

/** A line with what it belongs to. */
export type FoundLine = LogLine & { run: RunOfLine | null; task: string | null; characters: number };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PAGE = 200;
const FEW = 60; // fewer lines than fill a screen: the search goes on by itself
const MOST_TRIES = 12;
const TAIL_MS = 1_500;
const OTHER_NAMES: Readonly<Record<string, string>> = { time: "started", last: "started", text: "" };
const NAMES: Readonly<Record<string, string>> = {
  flow: "flows",
  deployment: "deployments",
  run: "runs",
  task: "tasks",
  logger: "loggers",
};

export const LOG_FIELDS: readonly (readonly [string, string])[] = [
  ["level", ">=warning"],
  ["flow", "orders-*"],
  ["deployment", "nightly"],
  ["run", "amber-*"],
  ["task", "load*"],
  ["logger", "heliostat.*"],
  ["time", "last 1h"],
  ["hide", "a kind of lines"],
  ["alike", "a kind of lines"],
];

/** The text as the server's query, and what in it is not understood. */
export function logQueryOf(
  text: string,
  now: Date,
): { query: Query; problems: { token: Token; text: string }[] } {
  const query: Query = {};
  const words: string[] = [];
  const problems: { token: Token; text: string }[] = [];
  const add = (name: string, values: string[]) => {
    query[name] = [...((query[name] as string[] | undefined) ?? []), ...values];
  };
  for (const token of tokens(text)) {
    const field = OTHER_NAMES[token.field] ?? token.field;
    const { value, negated } = token;
    const wrong = (about: string) => problems.push({ token, text: about });
    if (!field) {
      if (/^\/.+\/$/.test(value) && !negated) query["regex"] = value.slice(1, -1);
      else if (value) words.push(`${negated ? "-" : "+"}"${value}"`);
    } else if (field === "level") {
      const levels = levelsOf(value);
      if (levels) add("levels", levels);
      else wrong("level: debug, info, warning, error or >=warning");
    } else if (field === "started") {
      const span = spanOf(token.field === "last" ? `last ${value}` : value, now);
      if (!span) wrong("time: such as last 1h, today or >2026-11-26");
      else {
        if (span.after) query["after"] = span.after.toISOString();
        if (span.before) query["before"] = span.before.toISOString();
      }
    } else if (field === "hide" || field === "alike") add(field, [value]);
    else if (NAMES[field]) {
      if (negated) wrong(`${field}: cannot be left out here; hide a kind of lines instead`);
      const ids = split(value).filter((each) => UUID.test(each));
      const named = split(value).filter((each) => !UUID.test(each));
      if (ids.length > 0 && field !== "logger")
        add(`${field === "run" ? "flow_run" : field === "task" ? "task_run" : field}_ids`, ids);
      if (named.length > 0) add(NAMES[field], named);
      if (split(value).length === 0) wrong(`${field}: a value is missing`);
    } else wrong(`${token.field}: there is no such field`);
  }
  if (words.length > 0) query["text"] = words.join(" ");
  return { query, problems };
}

function levelsOf(value: string): LogLevelWord[] | null {
  const least = /^>=?(.+)$/.exec(value);
  const rising: LogLevelWord[] = ["debug", "info", "warning", "error"];
  if (least) {
    const at = rising.indexOf(least[1]?.toLowerCase() as LogLevelWord);
    return at < 0 ? null : rising.slice(value.startsWith(">=") ? at : at + 1);
  }
  const asked = split(value.toLowerCase()) as LogLevelWord[];
  return asked.length > 0 && asked.every((each) => rising.includes(each)) ? asked : null;
}

function linesOf({ lines, runs, tasks }: Answer): FoundLine[] {
  return lines.map((line) => ({
    id: String(line.id),
    at: line.timestamp,
    level: line.level,
    logger: line.name,
    text: line.message,
    flowRunId: line.flow_run_id,
    taskRunId: line.task_run_id,
    run: runs[line.flow_run_id] ?? null,
    task: line.task_run_id ? (tasks[line.task_run_id] ?? null) : null,
    characters: line.characters,
  }));
}

export const logBodyOf = ({ q, order }: LogAsk) => ({ query: logQueryOf(q, new Date()).query, order });

const pagesQuery = (ask: LogAsk) =>
  infiniteQueryOptions({
    queryKey: ["log_search", ask],
    queryFn: ({ pageParam, signal }) =>
      post<Page>("/heliostat/logs/search", { ...logBodyOf(ask), limit: PAGE, cursor: pageParam }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.cursor,
    staleTime: Infinity,
  });

/** Pages of lines; a search that has found little goes on by itself for a while. */
export function useLogSearch(ask: LogAsk, isTailed: boolean) {
  const queries = useQueryClient();
  const pages = useInfiniteQuery(pagesQuery(ask));
  const { hasNextPage, isFetching, fetchNextPage } = pages;
  const lines = useMemo(() => pages.data?.pages.flatMap(linesOf) ?? [], [pages.data]);
  const tries = pages.data?.pages.length ?? 0;
  const isSearching = hasNextPage && lines.length < FEW && tries > 0 && tries < MOST_TRIES;
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage();
  }, [isSearching, isFetching, fetchNextPage]);

  const newest = pages.data?.pages[0]?.newest_id;
  const tail = useQuery({
    queryKey: ["log_tail", ask.q, newest],
    queryFn: ({ signal }) =>
      post<Page>("/heliostat/logs/search", { ...logBodyOf(ask), limit: 500, after_id: newest }, { signal }),
    enabled: isTailed && newest !== undefined,
    refetchInterval: TAIL_MS,
    placeholderData: undefined,
    meta: { live: ["logs"] },
  });
  const key = useMemo(() => pagesQuery(ask).queryKey, [ask]);
  const fresh = useMemo(() => (tail.data ? linesOf(tail.data) : []), [tail.data]);
  const take = useCallback(() => {
    const told = tail.data;
    if (!told) return;
    queries.setQueryData<{ pages: Page[]; pageParams: (string | null)[] }>(key, (old) => {
      const first = old?.pages[0];
      if (!old || !first) return old;
      const known = new Set(first.lines.map((line) => line.id));
      const added = told.lines.filter((line) => !known.has(line.id)).reverse();
      const head: Page = {
        ...first,
        lines: [...added, ...first.lines],
        runs: { ...first.runs, ...told.runs },
        tasks: { ...first.tasks, ...told.tasks },
        newest_id: told.newest_id,
      };
      return { ...old, pages: [head, ...old.pages.slice(1)] };
    });
  }, [tail.data, queries, key]);
  return { query: pages, lines, fresh, take, isSearching };
}

export type LogSummary = {
  since: string | null;
  until: string | null;
  step_s: number;
  bins: Record<string, number>[];
  levels: Partial<Record<LogLevelWord, number>>;
  flows: { id: string; name: string; count: number }[];
  alike: { template: string; level: number; count: number }[];
  total: number;
  is_partial: boolean;
};

export const logSummaryQuery = (q: string, isTailed: boolean) =>
  queryOptions({
    queryKey: ["log_summary", q],
    queryFn: async ({ signal }) => {
      const begun = performance.now();
      const { query } = logQueryOf(q, new Date());
      const found = await post<LogSummary>("/heliostat/logs/summary", { query, parts: 120 }, { signal });
      return { ...found, ms: performance.now() - begun };
    },
    refetchInterval: isTailed ? 10_000 : false,
  });

export const aroundQuery = (id: string, count: number) =>
  queryOptions({
    queryKey: ["log_around", id, count],
    queryFn: async ({ signal }) => {
      const found = await get<Answer & { at: number }>(`/heliostat/logs/${id}/around`, {
        query: { count },
        signal,
      });
      return { lines: linesOf(found), at: found.at };
    },
    staleTime: 60_000,
  });

export async function wholeText(id: string): Promise<string> {
  return (await askRaw("GET", `/heliostat/logs/${id}/text`)).text();
}

export async function wholeSearch(ask: LogAsk): Promise<Blob> {
  return (await askRaw("POST", "/heliostat/logs/download", { body: logBodyOf(ask) })).blob();
}

/** What may follow where the reader types. */
export async function logCompletionsOf(token: Token | null, signal?: AbortSignal): Promise<string[]> {
  if (!token?.field)
    return LOG_FIELDS.map(([name]) => `${name}:`).filter((name) =>
      name.startsWith((token?.value ?? "").toLowerCase()),
    );
  const last = token.value.split(",").pop() ?? "";
  const before = token.value.slice(0, token.value.length - last.length);
  const shown = (values: readonly string[]) =>
    values.map(
      (value) =>
        `${token.field}:${before}${/\s/.test(value) && !/^last \d/.test(value) ? `"${value}"` : value}`,
    );
  if (token.field === "level")
    return shown([">=warning", ...LOG_LEVELS].filter((each) => each.startsWith(last) && each !== last));
  if (token.field === "time")
    return shown(["last 15m", "last 1h", "last 24h", "last 7d", "today", "yesterday"]);
  if (token.field !== "flow" && token.field !== "deployment") return [];
  const body = { field: token.field, beginning: last.replaceAll("*", "") };
  const found = await post<string[]>("/heliostat/run_query/completions", body, { signal });
  return shown(found.filter((value) => value !== last));
}
