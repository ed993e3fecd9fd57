/** Lists of runs by a query: page after page, kept fresh in place. */

import {
  infiniteQueryOptions,
  type InfiniteData,
  queryOptions,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import { isFinal } from "@/words/states";
import { post } from "./client";
import { termsOf } from "./runQuery";
import type { TaskCounts } from "./taskCounts";
import type { Usual } from "./usual";

export type RunKind = "flow" | "task";

/** A row of the list; what only flow runs have is left out of those of task runs. */
export type RunRow = {
  id: string;
  name: string;
  flow_id: string | null;
  flow_name: string | null;
  state_type: string | null;
  state_name: string | null;
  expected_start_time: string | null;
  start_time: string | null;
  end_time: string | null;
  run_count: number;
  tags: string[] | null;
  reason: string | null;
  deployment_id?: string | null;
  deployment_name?: string | null;
  parent_task_run_id?: string | null;
  work_pool_name?: string | null;
  work_queue_name?: string | null;
  auto_scheduled?: boolean;
  created_by?: { type?: string; display_value?: string } | null;
  tasks?: TaskCounts;
  usual?: Usual | null;
  task_name?: string;
  flow_run_id?: string;
  flow_run_name?: string | null;
  node?: string | null;
};

type Page = { rows: RunRow[]; cursor: string | null };

export type RunAsk = { kind: RunKind; q: string; sort: string; hideSubflows: boolean };

export type RunSummary = {
  total: number;
  states: { type: string | null; name: string | null; count: number }[];
  since: string | null;
  until: string | null;
  step_s: number;
  bins: Record<string, number>[];
};

const PAGE = 100;
const HEAD = 40;
// News come by the stream; this is for what it misses.
const HEAD_EVERY_MS = 10_000;
const SUMMARY_EVERY_MS = 15_000;
const LIVE = { live: ["flow_runs"] };
const MOST_PATCHED = 150;

/** The body of a request for these runs, at this moment. */
export function bodyOf(ask: RunAsk): { terms: unknown[]; hide_subflows: boolean } {
  return {
    terms: termsOf(ask.q, new Date()).terms,
    hide_subflows: ask.kind === "flow" && ask.hideSubflows && !/\bid:/.test(ask.q),
  };
}

export const readPage = (ask: RunAsk, cursor: string | null, limit = PAGE, signal?: AbortSignal) =>
  post<Page>(
    `/heliostat/${ask.kind}_runs/search`,
    { ...bodyOf(ask), sort: ask.sort, limit, cursor },
    { signal },
  );

const pagesQuery = (ask: RunAsk) =>
  infiniteQueryOptions({
    queryKey: ["run_list", ask],
    queryFn: ({ pageParam, signal }) => readPage(ask, pageParam, PAGE, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.cursor,
    staleTime: Infinity, // rows are kept fresh one by one
  });

export const summaryQuery = (ask: RunAsk) =>
  queryOptions({
    queryKey: ["run_summary", ask.kind, ask.q, ask.hideSubflows],
    queryFn: async ({ signal }) => {
      const begun = performance.now();
      const found = await post<RunSummary>(
        `/heliostat/${ask.kind}_runs/summary`,
        { ...bodyOf(ask), parts: 144 },
        { signal },
      );
      return { ...found, ms: performance.now() - begun };
    },
    refetchInterval: SUMMARY_EVERY_MS,
    meta: LIVE,
  });

/** How many there are in all, whatever the query says: the figure on the other tab. */
export const totalQuery = (kind: RunKind) =>
  queryOptions({
    queryKey: ["run_total", kind],
    queryFn: ({ signal }) => post<number>(`/${kind}_runs/count`, {}, { signal }),
    refetchInterval: 30_000,
  });

/** The rows that are loaded; new ones wait behind `fresh` while the reader is further down. */
export function useRunList(ask: RunAsk, isAtTop: boolean) {
  const queries = useQueryClient();
  const pages = useInfiniteQuery(pagesQuery(ask));
  const key = useMemo(() => pagesQuery(ask).queryKey, [ask]);
  const rows = useMemo(() => unique(pages.data?.pages.flatMap((page) => page.rows) ?? []), [pages.data]);

  const put = useCallback(
    (changed: readonly RunRow[], added: readonly RunRow[], removed?: ReadonlySet<string>) => {
      const byId = new Map(changed.map((row) => [row.id, row]));
      queries.setQueryData<InfiniteData<Page, string | null>>(key, (old) =>
        old
          ? {
              ...old,
              pages: old.pages.map((page, at) => ({
                ...page,
                rows: [
                  ...(at === 0 ? added : []),
                  ...page.rows.filter((row) => !removed?.has(row.id)).map((row) => byId.get(row.id) ?? row),
                ],
              })),
            }
          : old,
      );
    },
    [key, queries],
  );

  const head = useQuery({
    queryKey: ["run_list_head", ask],
    queryFn: ({ signal }) => readPage(ask, null, HEAD, signal),
    enabled: pages.data !== undefined,
    refetchInterval: HEAD_EVERY_MS,
    meta: LIVE,
    placeholderData: undefined,
  });
  const isNewest = ask.sort === "STARTED_DESC" || rows.length < HEAD;
  const added = useMemo(() => {
    const known = new Set(rows.map((row) => row.id));
    return isNewest ? (head.data?.rows.filter((row) => !known.has(row.id)) ?? []) : [];
  }, [head.data, rows, isNewest]);
  useEffect(() => {
    if (head.data) put(head.data.rows, []);
  }, [head.data, put]);
  const gone = useMemo(() => goneFrom(rows, head.data), [rows, head.data]);
  useEffect(() => {
    if (isAtTop && added.length + gone.size > 0) put([], added, gone);
  }, [isAtTop, added, gone, put]);

  const moving = useMemo(
    () =>
      rows
        .slice(HEAD)
        .filter((row) => !isFinal(row.state_type))
        .slice(0, MOST_PATCHED),
    [rows],
  );
  const movingIds = moving.map((row) => row.id).join(",");
  const patched = useQuery({
    queryKey: ["run_list_moving", ask.kind, movingIds],
    queryFn: ({ signal }) =>
      post<Page>(
        `/heliostat/${ask.kind}_runs/search`,
        { terms: [{ field: "id", values: movingIds.split(",") }], limit: 200 },
        { signal },
      ),
    enabled: movingIds !== "",
    refetchInterval: HEAD_EVERY_MS,
    meta: LIVE,
    placeholderData: undefined,
  });
  useEffect(() => {
    if (patched.data) put(patched.data.rows, []);
  }, [patched.data, put]);

  const fresh = isAtTop ? 0 : added.length;
  const showFresh = useCallback(() => {
    if (added.length < HEAD) put([], added);
    else void queries.resetQueries({ queryKey: key }); // there may be more between them and what is shown
  }, [put, added, queries, key]);
  return { query: pages, rows, fresh, showFresh };
}

/** Rows that were removed, or that the query does not fit any more: the first page would have them otherwise. */
function goneFrom(rows: readonly RunRow[], head: Page | undefined): ReadonlySet<string> {
  if (!head) return new Set();
  const there = new Set(head.rows.map((row) => row.id));
  const last = head.rows[head.rows.length - 1]?.id;
  const end = head.cursor === null ? rows.length : rows.findIndex((row) => row.id === last);
  return new Set(rows.slice(0, Math.max(0, end)).flatMap((row) => (there.has(row.id) ? [] : [row.id])));
}

function unique(rows: readonly RunRow[]): RunRow[] {
  const seen = new Set<string>();
  return rows.filter((row) => !seen.has(row.id) && seen.add(row.id));
}
