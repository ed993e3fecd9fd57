/** What changes do to the cache: rows are patched at once, lists are asked for again at most once a second. */

import type { InfiniteData, Query, QueryClient, QueryKey } from "@tanstack/react-query";
import type { News } from "./live";
import type { FlowRun } from "./runs";

/** A flow run as the stream tells it. */
export type LiveRun = Pick<
  FlowRun,
  | "id"
  | "name"
  | "flow_id"
  | "deployment_id"
  | "parent_task_run_id"
  | "state_type"
  | "state_name"
  | "created"
  | "updated"
  | "expected_start_time"
  | "start_time"
  | "end_time"
  | "total_run_time"
  | "run_count"
  | "auto_scheduled"
  | "tags"
  | "work_pool_name"
  | "work_queue_name"
> & { state_timestamp: string | null; parent_flow_run_id: string | null };

export type FlowRunsNews = { runs: LiveRun[]; stale: boolean };
export type SetupNews = { changed: Record<string, string[]> };

const REST_MS = 1_000;
const REST_OF_COUNTS_MS = 5_000; // they are shown on every page, and take several requests
const SHARE = 4; // asking a slow server again takes at most this part of the time
const LONGEST_REST_MS = 5_000;

/** A run with what the stream says of it; the same object when that is not newer. */
export function patched(run: FlowRun, news: LiveRun): FlowRun {
  if (Date.parse(news.updated) <= Date.parse(run.updated)) return run;
  const isOther =
    run.state?.type !== news.state_type ||
    run.state.name !== news.state_name ||
    run.state.timestamp !== news.state_timestamp;
  const state =
    isOther && news.state_type !== null
      ? {
          type: news.state_type,
          name: news.state_name ?? news.state_type,
          timestamp: news.state_timestamp ?? undefined,
        }
      : run.state;
  const told: Partial<LiveRun> = { ...news };
  delete told.state_timestamp;
  delete told.parent_flow_run_id;
  return { ...run, ...told, state };
}

/** A cached answer with some rows patched, whatever its form: a run, a list of runs, pages of lists. */
export function patchedAnswer(answer: unknown, news: Map<string, LiveRun>): unknown {
  if (Array.isArray(answer)) {
    const rows: unknown[] = answer.map((each: unknown) => patchedAnswer(each, news));
    return rows.some((row, index) => row !== answer[index]) ? rows : answer;
  }
  if (typeof answer !== "object" || answer === null) return answer;
  if ("pages" in answer && "pageParams" in answer) {
    const all = answer as InfiniteData<unknown>;
    const pages = patchedAnswer(all.pages, news) as unknown[];
    return pages === all.pages ? answer : { ...all, pages };
  }
  if (!("id" in answer && "flow_id" in answer && "state_type" in answer && "updated" in answer))
    return answer;
  const told = news.get(String(answer.id));
  return told ? patched(answer as FlowRun, told) : answer;
}

/**
 * Whether a query shows things of a kind: by the first word of its key ("flow_runs", or "flow_run" for one),
 * or because it says so itself with `meta: { live: ["flow_runs"] }`.
 */
export function shows(query: { queryKey: QueryKey; meta?: Record<string, unknown> }, kind: string): boolean {
  const word = query.queryKey[0];
  const live = query.meta?.["live"];
  return word === kind || `${String(word)}s` === kind || (Array.isArray(live) && live.includes(kind));
}

type Timers = {
  now: () => number;
  later: (act: () => void, afterMs: number) => void;
  /** Whether somebody can see the page. */
  isSeen: () => boolean;
};

const TIMERS: Timers = {
  now: () => Date.now(),
  later: (act, afterMs) => void setTimeout(act, afterMs),
  isSeen: () => typeof document === "undefined" || !document.hidden,
};

export class LiveCache {
  private readonly waiting = new Set<string>();
  private readonly rows = new Map<string, LiveRun>();
  private readonly readyAt = new Map<string, number>();
  private isDue = false;

  constructor(
    private readonly queries: QueryClient,
    private readonly timers: Timers = TIMERS,
  ) {}

  flowRuns(news: News): void {
    if (news.kind === "data") for (const row of (news.data as FlowRunsNews).runs) this.rows.set(row.id, row);
    this.stale("flow_runs");
    this.stale("counts");
  }

  flowRun(news: News): void {
    const run = news.kind === "data" ? (news.data as { run?: LiveRun | null }).run : undefined;
    if (run) this.rows.set(run.id, run);
    this.work();
  }

  setup(news: News): void {
    if (news.kind === "refetch") this.stale("setup");
    else for (const kind of Object.keys((news.data as SetupNews).changed)) this.stale(kind);
    this.stale("counts");
  }

  /** Ask again for what shows things of a kind: at once when it is quiet, at most once a second. */
  stale(kind: string): void {
    this.waiting.add(kind);
    this.work();
  }

  /** Do what has waited, when somebody sees the page. Call it when the page comes into sight. */
  readonly work = (): void => {
    if (!this.timers.isSeen()) return;
    this.patch();
    const now = this.timers.now();
    let rest = Infinity;
    for (const kind of [...this.waiting]) {
      const ready = this.readyAt.get(kind) ?? -Infinity;
      if (ready > now) {
        rest = Math.min(rest, ready - now);
        continue;
      }
      this.waiting.delete(kind);
      this.ask(kind, now);
    }
    if (rest === Infinity || this.isDue) return;
    this.isDue = true;
    this.timers.later(() => {
      this.isDue = false;
      this.work();
    }, rest);
  };

  private ask(kind: string, now: number): void {
    const least = kind === "counts" ? REST_OF_COUNTS_MS : REST_MS;
    this.readyAt.set(kind, now + least);
    void this.queries
      .invalidateQueries(
        { predicate: (query) => isOf(query, kind), refetchType: "active" },
        { cancelRefetch: false },
      )
      .then(() => {
        const took = this.timers.now() - now;
        this.readyAt.set(kind, now + Math.min(Math.max(least, took * SHARE), LONGEST_REST_MS));
      });
  }

  private patch(): void {
    if (this.rows.size === 0) return;
    const news = new Map(this.rows);
    this.rows.clear();
    this.queries.setQueriesData({ predicate: (query) => shows(query, "flow_runs") }, (answer: unknown) =>
      patchedAnswer(answer, news),
    );
  }
}

function isOf(query: Query, kind: string): boolean {
  // After a lost connection any kind of the setup may have changed: all but what other topics tell.
  if (kind === "setup") return !shows(query, "flow_runs") && query.queryKey[0] !== "session";
  return shows(query, kind);
}
