/** Blocks: types, their schemas, and saved documents. Secrets arrive masked and are never asked for. */

import { queryOptions } from "@tanstack/react-query";
import { get, patch, post, remove } from "./client";

export type BlockType = {
  id: string;
  name: string;
  slug: string;
  logo_url: string | null;
  documentation_url: string | null;
  description: string | null;
  code_example: string | null;
};
export type BlockSchema = {
  id: string;
  checksum: string;
  fields: Record<string, unknown>;
  block_type_id: string;
  capabilities: string[];
  version: string;
};
export type BlockDocument = {
  id: string;
  name: string | null;
  data: Record<string, unknown>;
  block_schema_id: string;
  block_schema: BlockSchema | null;
  block_type_id: string;
  block_type_name: string | null;
  block_type: BlockType | null;
  created: string;
  updated: string;
};

export const MASK = "********";

export const blockDocumentsQuery = (text: string, slug: string) =>
  queryOptions({
    queryKey: ["block_documents", text, slug],
    queryFn: ({ signal }) =>
      post<BlockDocument[]>(
        "/block_documents/filter",
        {
          block_documents: { ...(text && { name: { like_: text } }), is_anonymous: { eq_: false } },
          ...(slug && { block_types: { slug: { any_: [slug] } } }),
          include_secrets: false,
          limit: 200,
        },
        { signal },
      ),
  });

export const blockDocumentQuery = (id: string) =>
  queryOptions({
    queryKey: ["block_documents", id],
    queryFn: ({ signal }) => get<BlockDocument>(`/block_documents/${id}`, { signal }),
  });

export const blockTypesQuery = queryOptions({
  queryKey: ["block_types"],
  queryFn: ({ signal }) => post<BlockType[]>("/block_types/filter", { limit: 200 }, { signal }),
  staleTime: 60_000,
});

/** The newest schema of a type. */
export const blockSchemaQuery = (typeId: string) =>
  queryOptions({
    queryKey: ["block_schemas", typeId],
    queryFn: async ({ signal }) => {
      const body = { block_schemas: { block_type_id: { any_: [typeId] } }, limit: 1 };
      const [newest] = await post<BlockSchema[]>("/block_schemas/filter", body, { signal });
      return newest ?? null;
    },
    enabled: typeId !== "",
    staleTime: 60_000,
  });

type New = { name: string; data: Record<string, unknown>; block_schema_id: string; block_type_id: string };

export const createBlock = (given: New) => post<BlockDocument>("/block_documents/", given);

/** Change a block: secrets that are still masked stay as they were. */
export const changeBlock = (id: string, data: Record<string, unknown>) =>
  patch<undefined>(`/block_documents/${id}`, { data, merge_existing_data: false });
export const deleteBlock = (id: string) => remove<undefined>(`/block_documents/${id}`);
