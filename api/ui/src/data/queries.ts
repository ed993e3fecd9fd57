/** The cache of what was read, and how often a failed reading is tried again. */

import { keepPreviousData, QueryClient } from "@tanstack/react-query";
import { ApiFailure } from "./failures";

const MOST_TRIES = 2;

export function makeQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        placeholderData: keepPreviousData, // what is shown stays until the new has come
        // What the server refuses stays refused; what did not arrive may arrive.
        retry: (failed, error) =>
          failed < MOST_TRIES && !(error instanceof ApiFailure && error.status >= 400 && error.status < 500),
      },
    },
  });
}
