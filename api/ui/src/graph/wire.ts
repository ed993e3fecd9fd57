/** What the server tells of a run's graph, and how it is asked for it. */

import { get } from "@/data/client";

export type WireRun = {
  id: string;
  name: string;
  flow_name: string;
  state_type: string | null;
  state_name: string | null;
  start: string | null;
  end: string | null;
  expected: string | null;
  parent: string | null;
  depth: number;
};

/** [kind, group, first item, items, group above, first item above, items above]; kind 0 is item by item. */
export type WireBlock = [number, number, number, number, number, number, number];

export type WireGraph = {
  t0: number;
  cursor: string;
  runs: WireRun[];
  groups: { key: string; name: string; run: number; base?: string }[];
  states: [string, string][];
  nodes: string[];
  columns: {
    id: (string | null)[];
    group: number[];
    index: (number | null)[];
    state: number[];
    expected: (number | null)[];
    start: (number | null)[];
    end: (number | null)[];
    tries: number[];
    node: (number | null)[];
  };
  labels: [number, string][];
  messages: [number, string][];
  edges: WireBlock[];
  links: [string, string][];
};

/** The graph whole, or with a cursor what changed since. */
export const readGraph = (runId: string, since: string | null, signal?: AbortSignal) =>
  get<WireGraph>(`/heliostat/flow_runs/${runId}/graph`, { query: { since: since ?? undefined }, signal });
