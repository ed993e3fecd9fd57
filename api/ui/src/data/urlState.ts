/** State of a page that lives in its address, so that every view can be linked. */

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

type Search = Record<string, unknown>;

/** One word of the address: its value, and a function that changes it. The default is left out of the address. */
export function useUrlState(name: string, initial = ""): [string, (value: string) => void] {
  const search: Search = useSearch({ strict: false });
  const navigate = useNavigate();
  const found = search[name];
  const set = useCallback(
    (value: string) =>
      void navigate({
        to: ".",
        search: ((old: Search) => ({ ...old, [name]: value === initial ? undefined : value })) as never,
        replace: true,
      }),
    [name, initial, navigate],
  );
  return [found === undefined || found === null ? initial : String(found), set];
}

/** Several words at once: `set({ q: "state:failed", from: undefined })`. */
export function useUrlStates(): [Search, (changed: Search) => void] {
  const search: Search = useSearch({ strict: false });
  const navigate = useNavigate();
  const set = useCallback(
    (changed: Search) =>
      void navigate({ to: ".", search: ((old: Search) => ({ ...old, ...changed })) as never, replace: true }),
    [navigate],
  );
  return [search, set];
}
