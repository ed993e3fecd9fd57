/** Log lines of a run, read window by window: older ones above, newer ones below, each once. */

import { queryOptions } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { post } from "./client";

/** A log line as the viewer takes it. */
export type LogLine = {
  id: string;
  at: string;
  level: number;
  logger: string;
  text: string;
  flowRunId: string | null;
  taskRunId: string | null;
};

export type LogScope = {
  flowRunId?: string;
  taskRunId?: string;
  levelMin?: number;
  /** Words that lines have in them. */
  text?: string;
  /** Where to begin: with the oldest lines, the newest, or around a moment. */
  from: "start" | "end" | { at: string };
};

type Wire = {
  id: string;
  timestamp: string;
  level: number;
  name: string;
  message: string;
  flow_run_id: string | null;
  task_run_id: string | null;
};

const PAGE = 200;
const MOST_PAGES = 10;
// Lines of other processes may arrive a little later than newer ones of this process.
const LATE_MS = 3_000;
const BUSY_LINES = 400;

function lineOf(wire: Wire): LogLine {
  return {
    id: wire.id,
    at: wire.timestamp,
    level: wire.level,
    logger: wire.name,
    text: wire.message,
    flowRunId: wire.flow_run_id,
    taskRunId: wire.task_run_id,
  };
}

/** Moments of one length up to the point, in UTC: without the Z they sort as they are. */
function inOrder(a: LogLine, b: LogLine): number {
  const [one, other] = [a.at.replace("Z", ""), b.at.replace("Z", "")];
  return one < other ? -1 : one > other ? 1 : 0;
}

type Ask = { after?: string; before?: string; newestFirst?: boolean; offset?: number };

async function readLines(scope: LogScope, asked: Ask): Promise<LogLine[]> {
  const logs: Record<string, unknown> = {};
  if (scope.flowRunId) logs["flow_run_id"] = { any_: [scope.flowRunId] };
  if (scope.taskRunId) logs["task_run_id"] = { any_: [scope.taskRunId] };
  if (scope.levelMin) logs["level"] = { ge_: scope.levelMin };
  if (scope.text) logs["text"] = { query: scope.text };
  if (asked.after || asked.before)
    logs["timestamp"] = { after_: asked.after ?? null, before_: asked.before ?? null };
  const found = await post<Wire[]>("/logs/filter", {
    logs,
    sort: asked.newestFirst ? "TIMESTAMP_DESC" : "TIMESTAMP_ASC",
    limit: PAGE,
    offset: asked.offset ?? 0,
  });
  return found.map(lineOf);
}

export type LogWindowState = {
  lines: readonly LogLine[];
  isPending: boolean;
  error: unknown;
  atStart: boolean;
  atEnd: boolean;
};

const EMPTY: LogWindowState = { lines: [], isPending: true, error: null, atStart: false, atEnd: false };

/** A stretch of the log without gaps, that grows at both ends. */
class LogWindow {
  state: LogWindowState = EMPTY;
  private known = new Set<string>();
  private busy = false;
  private readonly listeners = new Set<() => void>();
  private readonly scope: LogScope;

  constructor(scope: LogScope) {
    this.scope = scope;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  read = (): LogWindowState => this.state;

  begin = (): Promise<void> =>
    this.alone(async () => {
      const { from } = this.scope;
      if (from === "end") {
        const lines = (await readLines(this.scope, { newestFirst: true })).reverse();
        this.take(lines, { atStart: lines.length < PAGE, atEnd: true });
      } else if (from === "start") {
        const lines = await readLines(this.scope, {});
        this.take(lines, { atStart: true, atEnd: lines.length < PAGE });
      } else {
        const [before, after] = await Promise.all([
          readLines(this.scope, { before: from.at, newestFirst: true }),
          readLines(this.scope, { after: from.at }),
        ]);
        this.take([...before.reverse(), ...after], {
          atStart: before.length < PAGE,
          atEnd: after.length < PAGE,
        });
      }
    });

  older = (): Promise<void> =>
    this.alone(async () => {
      const first = this.state.lines[0];
      if (!first || this.state.atStart) return;
      const offset = this.state.lines.findIndex((line) => line.at !== first.at);
      const lines = await readLines(this.scope, {
        before: first.at,
        newestFirst: true,
        offset: offset < 0 ? this.state.lines.length : offset,
      });
      this.take(lines, { atStart: lines.length < PAGE });
    });

  /** Lines after the last one; asked for again and again while the run goes on. */
  newer = (): Promise<void> =>
    this.alone(async () => {
      const held = this.state.lines;
      const last = held[held.length - 1];
      if (!last) {
        const lines = await readLines(this.scope, {});
        if (lines.length > 0) this.take(lines, { atEnd: lines.length < PAGE });
        return;
      }
      const since = new Date(Date.parse(last.at) - LATE_MS).toISOString();
      const isBusy = (held[held.length - BUSY_LINES]?.at ?? "") > since;
      let [after, offset] = [since, 0];
      if (isBusy || !this.state.atEnd) {
        after = last.at;
        offset = held.length - 1 - held.findLastIndex((line) => line.at !== last.at);
      }
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const lines = await readLines(this.scope, { after, offset });
        this.take(lines, { atEnd: lines.length < PAGE });
        if (lines.length < PAGE) return;
        offset += lines.length;
      }
    });

  private async alone(doing: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await doing();
      if (this.state.isPending || this.state.error) this.set({ isPending: false, error: null });
    } catch (error) {
      this.set({ isPending: false, error });
    } finally {
      this.busy = false;
    }
  }

  private take(lines: readonly LogLine[], changed: Partial<LogWindowState>): void {
    const fresh: LogLine[] = [];
    for (const line of lines) {
      if (this.known.has(line.id)) continue;
      this.known.add(line.id);
      fresh.push(line);
    }
    if (fresh.length === 0) {
      const isSame = Object.entries(changed).every(
        ([name, value]) => this.state[name as keyof LogWindowState] === value,
      );
      if (!isSame) this.set(changed);
      return;
    }
    const all = [...this.state.lines, ...fresh].sort(inOrder);
    this.set({ ...changed, lines: all, isPending: false });
  }

  private set(changed: Partial<LogWindowState>): void {
    this.state = { ...this.state, ...changed };
    this.listeners.forEach((listener) => listener());
  }
}

export type LogReading = LogWindowState & { older: () => void; newer: () => void; again: () => void };

/** The lines of a scope; another scope begins anew. `newer` is called when something may have been written. */
export function useLogWindow(scope: LogScope): LogReading {
  const key = JSON.stringify(scope);
  const window = useMemo(() => new LogWindow(JSON.parse(key) as LogScope), [key]);
  useEffect(() => void window.begin(), [window]);
  const state = useSyncExternalStore(window.subscribe, window.read);
  const older = useCallback(() => void window.older(), [window]);
  const newer = useCallback(() => void window.newer(), [window]);
  const again = useCallback(() => void window.begin(), [window]);
  return { ...state, older, newer, again };
}

/** The newest traceback that a task run logged; null when it logged none. */
export const loggedTracebackQuery = (taskRunId: string) =>
  queryOptions({
    queryKey: ["task_run", taskRunId, "logged traceback"],
    queryFn: async () => {
      const lines = await readLines({ taskRunId, levelMin: 40, from: "end" }, { newestFirst: true });
      return lines.find((line) => line.text.includes("Traceback (most recent call last):"))?.text ?? null;
    },
  });
