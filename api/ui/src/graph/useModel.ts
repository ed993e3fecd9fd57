/** A run's model, read whole once and kept up by increments while the run goes on. */

import { useEffect, useRef, useState } from "react";
import { useTopic } from "@/data/useLive";
import { isFinal } from "@/words/states";
import { RunModel } from "./model";
import { readGraph } from "./wire";

const SOONEST_MS = 400; // between two increments
const AT_LEAST_MS = 3_000; // while the run goes on and nothing is told

export type Loaded = { model: RunModel; version: number; error: unknown; again: () => void };

export function useModel(runId: string): Loaded {
  const model = useRef(new RunModel());
  const [version, setVersion] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);
  const wake = useRef<() => void>(() => undefined);
  useTopic(`task_runs:${runId}`, () => wake.current());
  useTopic(`flow_run:${runId}`, () => wake.current());
  useEffect(() => {
    const stop = new AbortController();
    model.current = new RunModel();
    let waiting: (() => void) | null = null;
    let told = false;
    wake.current = () => {
      told = true;
      waiting?.();
    };
    const rest = (ms: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        waiting = () => {
          clearTimeout(timer);
          resolve();
        };
        stop.signal.addEventListener("abort", () => waiting?.());
      });
    const follow = async () => {
      while (!stop.signal.aborted) {
        told = false;
        try {
          model.current.apply(await readGraph(runId, model.current.cursor, stop.signal));
          setError(null);
          setVersion((old) => old + 1);
        } catch (failed) {
          if (stop.signal.aborted) return;
          setError(failed);
        }
        const ended = model.current.runs.length > 0 && isFinal(model.current.runs[0]?.state_type);
        await rest(SOONEST_MS);
        if (!told) await rest(document.hidden || ended ? 60_000 : AT_LEAST_MS);
      }
    };
    void follow();
    return () => stop.abort();
  }, [runId, tries]);
  // The model is one object that changes in place; the version tells that it did.
  // eslint-disable-next-line react-hooks/refs
  return { model: model.current, version, error, again: () => setTries((old) => old + 1) };
}
