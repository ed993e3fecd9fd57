import { queryOptions } from "@tanstack/react-query";
import { patch, post, remove } from "./client";

export type Variable = {
  id: string;
  name: string;
  value: unknown;
  tags: string[];
  created: string;
  updated: string;
};

const MOST = 200;

/** Variables whose name holds the text, by name. */
export const variablesQuery = (text: string, offset = 0) =>
  queryOptions({
    queryKey: ["variables", text, offset],
    queryFn: ({ signal }) =>
      post<Variable[]>(
        "/variables/filter",
        { variables: text ? { name: { like_: text } } : null, limit: MOST, offset },
        { signal },
      ),
  });

type Changed = { name: string; value: unknown; tags: string[] };

export const createVariable = (given: Changed) => post<Variable>("/variables/", given);
export const changeVariable = (id: string, given: Changed) => patch<undefined>(`/variables/${id}`, given);
export const deleteVariable = (id: string) => remove<undefined>(`/variables/${id}`);
