/** How busy the cluster was: samples that the server kept. */

import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import { ApiFailure } from "./failures";

export type Load = { at: string; cpu_used: number; cpu_total: number; gpu_used: number; gpu_total: number };

async function read(since: string, signal: AbortSignal): Promise<Load[]> {
  try {
    return await get<Load[]>("/heliostat/load", { query: { since }, signal });
  } catch (error) {
    if (error instanceof ApiFailure && error.isGone) return []; // a server that keeps none
    throw error;
  }
}

export const loadQuery = (since: string) =>
  queryOptions({
    queryKey: ["load"],
    queryFn: ({ signal }) => read(since, signal),
    refetchInterval: 10_000,
  });
