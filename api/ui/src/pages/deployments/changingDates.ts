/** Skipping, moving and starting single dates, told and undoable. */

import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { move, type Planned, putBack, runNow, skip } from "@/data/upcoming";
import { act } from "@/parts/acting";

const refreshed = (queries: QueryClient) =>
  Promise.all(
    ["upcoming", "recent_runs", "flow_runs"].map((key) => queries.invalidateQueries({ queryKey: [key] })),
  );

export type DateActions = {
  skip: (date: Planned) => Promise<void>;
  putBack: (date: Planned) => Promise<void>;
  move: (date: Planned, to: string) => Promise<void>;
  runNow: (date: Planned) => Promise<string | null>;
};

/** `name` is what the date is of: "orders-etl / half-hourly". */
export function useDateActions(name: (date: Planned) => string): DateActions {
  const queries = useQueryClient();
  const refresh = () => refreshed(queries);
  const back = (date: Planned) => void putBack(date).then(refresh);
  return {
    skip: async (date) => {
      let done: Planned = date;
      await act("Not skipped", async () => (done = await skip(date)), {
        done: `${name(date)} is skipped once`,
        undo: () => back(done),
      });
      await refresh();
    },
    putBack: async (date) => {
      await act("Not put back", () => putBack(date), { done: `${name(date)} is put back` });
      await refresh();
    },
    move: async (date, to) => {
      let done: Planned = date;
      await act("Not moved", async () => (done = await move(date, to)), {
        done: `${name(date)} is moved`,
        undo: () => void move(done, date.at).then(refresh),
      });
      await refresh();
    },
    runNow: async (date) => {
      let run: string | null = null;
      await act("Not started", async () => (run = await runNow(date)), { done: `${name(date)} starts now` });
      await refresh();
      return run;
    },
  };
}
