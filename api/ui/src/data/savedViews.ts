/** Views that people saved under a name: searches of the standard API that hold a query's text. */

import { queryOptions } from "@tanstack/react-query";
import { post, put, remove } from "./client";

export type View = { id: string; name: string; q: string };
type Saved = { id: string; name: string; filters: { object: string; property: string; value: unknown }[] };

/** `about` tells whose views they are: flow_run, task_run, log. */
export const viewsQuery = (about: string) =>
  queryOptions({
    queryKey: ["saved_views", about],
    queryFn: async ({ signal }) => {
      const all = await post<Saved[]>("/saved_searches/filter", {}, { signal });
      return all.flatMap(({ id, name, filters }): View[] => {
        const found = filters.find((each) => each.object === about && each.property === "query");
        return found ? [{ id, name, q: String(found.value ?? "") }] : [];
      });
    },
    staleTime: 60_000,
  });

export const saveView = (about: string, name: string, q: string) =>
  put<Saved>("/saved_searches/", {
    name,
    filters: [{ object: about, property: "query", type: "string", operation: "equals", value: q }],
  });

export const removeView = (id: string) => remove<undefined>(`/saved_searches/${id}`);
