/** The dependency view's layout, made by a worker whenever groups come or grow past a size of card. */

import { useEffect, useMemo, useRef, useState } from "react";
import { type Layout, type LayoutInput, layOut, mosaic, perCell } from "./layout";
import type { RunModel } from "./model";
import type { Relations } from "./relations";

const NOTHING: Layout = { cards: [], bands: [], width: 0, height: 0 };

export function inputOf(model: RunModel, relations: Relations): LayoutInput {
  return {
    chains: relations.chains,
    edges: relations.edges,
    counts: model.groups.map((group) => group.rows.length),
    names: model.groups.map((group) => group.name),
    runs: model.groups.map((group) => group.run),
    runTitles: model.runs.map((run, at) => (at === 0 ? null : run.flow_name)),
  };
}

/** What a layout follows from, in short: while it stays, the layout does. */
function outlineOf(input: LayoutInput): string {
  const sizes = input.counts.map((count) => {
    const { columns } = mosaic(count);
    return `${columns}.${Math.ceil(count / perCell(count) / columns)}`;
  });
  const edges = input.edges.map((edge) => `${edge.from}${edge.shape}${edge.to}`);
  return [sizes.join(" "), input.chains.join(";"), edges.join(" ")].join("|");
}

export function useLayout(model: RunModel, relations: Relations): Layout {
  const [layout, setLayout] = useState(NOTHING);
  const worker = useRef<Worker | null>(null);
  const asked = useRef(0);
  const input = useMemo(() => inputOf(model, relations), [model, relations]);
  const outline = useMemo(() => outlineOf(input), [input]);
  const newest = useRef(input);
  useEffect(() => {
    newest.current = input;
  }, [input]);
  useEffect(() => {
    const made = new Worker(new URL("./layoutWorker.ts", import.meta.url), { type: "module" });
    worker.current = made;
    made.addEventListener("message", (event: MessageEvent<{ asked: number; layout: Layout }>) => {
      if (event.data.asked === asked.current) setLayout(event.data.layout);
    });
    // Where no worker may run the page lays out by itself.
    made.addEventListener("error", () => {
      worker.current = null;
      setLayout(layOut(newest.current));
    });
    return () => {
      worker.current = null;
      made.terminate();
    };
  }, []);
  useEffect(() => {
    asked.current += 1;
    if (worker.current) worker.current.postMessage({ asked: asked.current, input: newest.current });
    else setLayout(layOut(newest.current));
  }, [outline]);
  return layout;
}
