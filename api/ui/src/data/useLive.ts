/** Changes on the server, for components. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { apiUrl } from "./base";
import type { LiveStatus, News } from "./live";
import { LiveCache } from "./liveCache";
import { tabsOf, type LiveTabs } from "./liveTabs";

let shared: LiveTabs | null = null;

/** The stream of this tab; begins when it is first wanted. */
export function liveTabs(): LiveTabs {
  if (shared) return shared;
  const tabs = tabsOf(apiUrl("/heliostat/live"));
  shared = tabs;
  tabs.start();
  window.addEventListener("online", () => tabs.tryNow());
  window.addEventListener("pagehide", () => {
    tabs.stop();
    if (shared === tabs) shared = null;
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload(); // its subscriptions ended when it was put away
  });
  document.addEventListener("visibilitychange", () => !document.hidden && tabs.tryNow());
  return tabs;
}

/** How the page learns of changes at this moment. */
export function useLiveStatus(): LiveStatus {
  const tabs = liveTabs();
  return useSyncExternalStore(tabs.watchStatus, tabs.status);
}

/**
 * Hear of a topic while the component is there: "flow_runs", "events", "setup", `flow_run:${id}`,
 * `task_runs:${id}`, `logs:${id}`; null: of none. The handler may change at any time.
 */
export function useTopic(topic: string | null, handler: (news: News) => void): void {
  const newest = useRef(handler);
  useEffect(() => {
    newest.current = handler;
  });
  useEffect(
    () => (topic === null ? undefined : liveTabs().subscribe(topic, (news) => newest.current(news))),
    [topic],
  );
}

/** Keep what is cached fresh: runs, and everything that people set up. Once a page, in the frame. */
export function useLiveCache(): void {
  const queries = useQueryClient();
  useEffect(() => {
    const cache = new LiveCache(queries);
    const tabs = liveTabs();
    const ends = [
      tabs.subscribe("flow_runs", (news) => cache.flowRuns(news)),
      tabs.subscribe("setup", (news) => cache.setup(news)),
    ];
    document.addEventListener("visibilitychange", cache.work);
    return () => {
      ends.forEach((end) => end());
      document.removeEventListener("visibilitychange", cache.work);
    };
  }, [queries]);
}

/**
 * Keep one run's page fresh: its row at once, what hangs on it or on its task runs by
 * `meta: { live: ["flow_run:<id>", "task_runs:<id>"] }`.
 */
export function useLiveRun(id: string): void {
  const queries = useQueryClient();
  const cache = useRef<LiveCache | null>(null);
  useTopic(`flow_run:${id}`, (news) => {
    cache.current ??= new LiveCache(queries);
    cache.current.flowRun(news);
    cache.current.stale(`flow_run:${id}`);
  });
  useTopic(`task_runs:${id}`, () => {
    cache.current ??= new LiveCache(queries);
    cache.current.stale(`task_runs:${id}`);
  });
}
