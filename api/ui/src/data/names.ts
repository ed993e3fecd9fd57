/** Names of flows and deployments by their ids: asked for together, kept long, for they rarely change. */

import { queryOptions, useQuery } from "@tanstack/react-query";
import { post } from "./client";

type Named = { id: string; name: string };
export type Names = ReadonlyMap<string, string>;

const NONE: Names = new Map();
const EACH = 200;

async function read(kind: "flows" | "deployments", ids: readonly string[]): Promise<Names> {
  const found: Named[] = [];
  for (let at = 0; at < ids.length; at += EACH) {
    const part = ids.slice(at, at + EACH);
    found.push(...(await post<Named[]>(`/${kind}/filter`, { [kind]: { id: { any_: part } }, limit: EACH })));
  }
  return new Map(found.map((each) => [each.id, each.name]));
}

export const namesQuery = (kind: "flows" | "deployments", ids: readonly (string | null | undefined)[]) => {
  const wanted = [...new Set(ids.filter((id) => typeof id === "string"))].sort();
  return queryOptions({
    queryKey: ["names", kind, wanted],
    queryFn: () => read(kind, wanted),
    enabled: wanted.length > 0,
    staleTime: 60_000,
  });
};

export function useNames(kind: "flows" | "deployments", ids: readonly (string | null | undefined)[]): Names {
  return useQuery(namesQuery(kind, ids)).data ?? NONE;
}
