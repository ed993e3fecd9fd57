/** The code behind runs: which versions ran, and the files of a package of code. */

import { queryOptions } from "@tanstack/react-query";
import { askRaw, get } from "./client";

export type Version = {
  version: string | null;
  code_revision: string | null;
  runs: number;
  failed: number;
  first: string;
  last: string;
};
export type CodeFile = { path: string; size_bytes: number };

const FOREVER = { staleTime: Infinity }; // a revision names its content

export const versionsQuery = (of: "flows" | "deployments", id: string) =>
  queryOptions({
    queryKey: ["versions", of, id],
    queryFn: ({ signal }) => get<Version[]>(`/heliostat/${of}/${id}/versions`, { signal }),
  });

export const filesQuery = (revision: string) =>
  queryOptions({
    queryKey: ["code", revision],
    queryFn: ({ signal }) => get<CodeFile[]>(`/heliostat/code-packages/${revision}/files`, { signal }),
    retry: false,
    ...FOREVER,
  });

export const fileQuery = (revision: string, path: string) =>
  queryOptions({
    queryKey: ["code", revision, path],
    queryFn: async ({ signal }) => {
      const name = path.split("/").map(encodeURIComponent).join("/");
      return (await askRaw("GET", `/heliostat/code-packages/${revision}/files/${name}`, { signal })).text();
    },
    retry: false,
    ...FOREVER,
  });

/** The revision that a deployment's steps fetch; null when its code lies elsewhere. */
export function revisionOf(pullSteps: unknown): string | null {
  return /"([0-9a-f]{64})"/.exec(JSON.stringify(pullSteps ?? []))?.[1] ?? null;
}

/** The file that an entrypoint names: "flows/etl.py:main" → "flows/etl.py". */
export function fileOf(entrypoint: string | null | undefined): string | null {
  if (!entrypoint) return null;
  const [place = ""] = entrypoint.split(":");
  return place.endsWith(".py") ? place.replace(/^\.\//, "") : `${place.replaceAll(".", "/")}.py`;
}
