import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get, post, remove } from "./client";

export type Artifact = {
  id: string;
  key: string | null;
  type: string | null;
  description: string | null;
  data: unknown;
  metadata_: Record<string, string> | null;
  flow_run_id: string | null;
  task_run_id: string | null;
  created: string;
  updated: string;
  latest_id?: string;
};

const PAGE = 100;

/** The newest artifact of each key. */
export const latestArtifactsQuery = (text: string, type: string) =>
  infiniteQueryOptions({
    queryKey: ["artifacts", "latest", text, type],
    queryFn: ({ pageParam, signal }) =>
      post<Artifact[]>(
        "/artifacts/latest/filter",
        {
          artifacts: {
            ...(text && { key: { like_: text } }),
            ...(type && { type: { any_: [type] } }),
          },
          sort: "UPDATED_DESC",
          limit: PAGE,
          offset: pageParam,
        },
        { signal },
      ),
    initialPageParam: 0,
    getNextPageParam: (last, all) => (last.length < PAGE ? undefined : all.length * PAGE),
    refetchInterval: 15_000,
  });

/** All versions of one key, the newest first. */
export const versionsQuery = (key: string) =>
  queryOptions({
    queryKey: ["artifacts", "versions", key],
    queryFn: ({ signal }) =>
      post<Artifact[]>(
        "/artifacts/filter",
        { artifacts: { key: { any_: [key] } }, sort: "CREATED_DESC", limit: 200 },
        { signal },
      ),
    refetchInterval: 15_000,
  });

export const artifactQuery = (id: string) =>
  queryOptions({
    queryKey: ["artifacts", id],
    queryFn: ({ signal }) => get<Artifact>(`/artifacts/${id}`, { signal }),
  });

export const deleteArtifact = (id: string) => remove<undefined>(`/artifacts/${id}`);
