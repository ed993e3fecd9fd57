import { useSyncExternalStore } from "react";
import type { LiveStatus } from "./live";

const polling: LiveStatus = { kind: "polling", since: Date.now() };

/** How the page learns of changes at this moment. */
export function useLiveStatus(): LiveStatus {
  return useSyncExternalStore(
    () => () => undefined,
    () => polling,
  );
}
