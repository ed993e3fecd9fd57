/** Small runs for tests, as the server tells them. */

import { RunModel } from "./model";
import type { WireBlock, WireGraph } from "./wire";

type Task = {
  group: string;
  index: number;
  state?: string;
  start?: number;
  end?: number;
  node?: string;
  message?: string;
};

const NAMES: Readonly<Record<string, string>> = {
  COMPLETED: "Completed",
  FAILED: "Failed",
  RUNNING: "Running",
  PENDING: "Pending",
};

/** An answer of the server: groups in the order in which they are first named. Edges name groups by that order. */
export function wireOf(tasks: readonly Task[], edges: readonly WireBlock[], cursor = "run:1"): WireGraph {
  const groups = [...new Set(tasks.map((task) => task.group))];
  const states = [...new Set(tasks.map((task) => task.state ?? "COMPLETED"))];
  const nodes = [...new Set(tasks.flatMap((task) => (task.node ? [task.node] : [])))];
  return {
    t0: 1_000,
    cursor,
    runs: [
      {
        id: "00000000-0000-0000-0000-000000000007",
        name: "amber",
        flow_name: "etl",
        state_type: "RUNNING",
        state_name: "Running",
        start: null,
        end: null,
        expected: null,
        parent: null,
        depth: 0,
      },
    ],
    groups: groups.map((name) => ({ key: name, name, run: 0, base: baseOf(name) })),
    states: states.map((state) => [state, NAMES[state] ?? state]),
    nodes,
    columns: {
      id: tasks.map(() => null),
      group: tasks.map((task) => groups.indexOf(task.group)),
      index: tasks.map((task) => task.index),
      state: tasks.map((task) => states.indexOf(task.state ?? "COMPLETED")),
      expected: tasks.map(() => 0),
      start: tasks.map((task) => task.start ?? null),
      end: tasks.map((task) => task.end ?? null),
      tries: tasks.map(() => 1),
      node: tasks.map((task) => (task.node ? nodes.indexOf(task.node) : null)),
    },
    labels: [],
    messages: tasks.flatMap((task, at): [number, string][] => (task.message ? [[at, task.message]] : [])),
    edges: [...edges],
    links: [],
  };
}

const baseOf = (name: string) =>
  [...name]
    .reduce((sum, letter) => sum + letter.charCodeAt(0), 0)
    .toString(16)
    .padStart(8, "0")
    .padEnd(32, "0");

/** A list, two maps item by item over it, and one that gathers: 1, n, n, 1. */
export function etl(n: number): RunModel {
  const model = new RunModel();
  model.apply(etlWire(n));
  return model;
}

export function etlWire(n: number): WireGraph {
  const items = Array.from({ length: n }, (_, at) => at);
  return wireOf(
    [
      { group: "list", index: 0, start: 0, end: 100 },
      ...items.map((index) => ({
        group: "fetch",
        index,
        start: 100 + index,
        end: 200 + index,
        node: `cpu-${index % 2}`,
      })),
      ...items.map((index) =>
        index === 3
          ? {
              group: "parse",
              index,
              state: "FAILED",
              start: 210 + index,
              end: 400,
              message: "KeyError: 'currency'",
            }
          : { group: "parse", index, start: 210 + index, end: 300 + index },
      ),
      { group: "total", index: 0, state: "PENDING" },
    ],
    [
      [1, 1, 0, n, 0, 0, 1],
      [0, 2, 0, n, 1, 0, n],
      [1, 3, 0, 1, 2, 0, n],
    ],
  );
}
