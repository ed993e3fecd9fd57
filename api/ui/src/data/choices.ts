/** What a form lets one choose from, by id: deployments, pools, queues, automations, flows, blocks that notify. */

import { queryOptions } from "@tanstack/react-query";
import { post } from "./client";

export type Choice = { value: string; text: string };
export type Noun =
  "flows" | "deployments" | "work_pools" | "work_queues" | "automations" | "notifiers" | "webhooks";

type Named = { id: string; name: string; work_pool_name?: string; block_type?: { name: string } | null };

const MOST = 200;

async function read(noun: Noun, signal: AbortSignal): Promise<Choice[]> {
  if (noun === "notifiers" || noun === "webhooks") return blocks(noun, signal);
  const found = await post<Named[]>(`/${noun}/filter`, { limit: MOST }, { signal });
  return found.map((each) => ({
    value: each.id,
    text: each.work_pool_name ? `${each.work_pool_name} / ${each.name}` : each.name,
  }));
}

async function blocks(noun: "notifiers" | "webhooks", signal: AbortSignal): Promise<Choice[]> {
  const asked =
    noun === "webhooks"
      ? { block_types: { slug: { any_: ["webhook"] } } }
      : { block_schemas: { block_capabilities: { all_: ["notify"] } } };
  const found = await post<Named[]>("/block_documents/filter", { ...asked, limit: MOST }, { signal });
  return found.map((each) => ({
    value: each.id,
    text: `${each.name} (${each.block_type?.name ?? "block"})`,
  }));
}

export const choicesQuery = (noun: Noun) =>
  queryOptions({
    queryKey: ["choices", noun],
    queryFn: ({ signal }) => read(noun, signal),
    staleTime: 15_000,
  });
