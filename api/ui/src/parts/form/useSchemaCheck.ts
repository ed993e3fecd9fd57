import { useDebouncedValue } from "@mantine/hooks";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { post } from "@/data/client";
import { atFields, placed, type PlacedProblem, type Problem } from "./compare";
import type { Schema } from "./shape";

const AFTER_MS = 250;

export type SchemaCheck = {
  problems: readonly PlacedProblem[];
  /** The answer is about the values as they are now. */
  isFresh: boolean;
  error: unknown;
};

const NONE: readonly PlacedProblem[] = [];

/** For what has to know at once, such as a form that is sent. */
export const schemaCheckQuery = (schema: unknown, values: Schema) =>
  queryOptions({
    queryKey: ["schema check", schema, values],
    queryFn: async ({ signal }) => {
      const answer = await post<{ errors: Problem[] }>(
        "/ui/schemas/validate",
        { schema, values },
        { signal },
      );
      return atFields(placed(answer.errors));
    },
    staleTime: Infinity,
    gcTime: 60_000,
  });

/** What the server says about values and their schema, asked a moment after the last change. */
export function useSchemaCheck(schema: unknown, values: Schema): SchemaCheck {
  const [asked] = useDebouncedValue(values, AFTER_MS);
  const query = useQuery(schemaCheckQuery(schema, asked));
  const isFresh = asked === values && !query.isPlaceholderData && query.data !== undefined;
  return { problems: query.data ?? NONE, isFresh, error: query.error };
}
