/** A saved block, chosen by its name; only its reference is kept in the value. */

import { queryOptions, useQuery } from "@tanstack/react-query";
import { post } from "@/data/client";
import { about, type ControlProps, Frame } from "./frame";
import { emptied } from "./reading";
import { isRecord } from "./shape";

type Document = { id: string; name: string | null };

const documentsQuery = (slug: string) =>
  queryOptions({
    queryKey: ["block_documents", "of", slug],
    queryFn: ({ signal }) =>
      post<Document[]>(
        "/block_documents/filter",
        { block_types: { slug: { any_: [slug] } }, include_secrets: false, limit: 200 },
        { signal },
      ),
    staleTime: 30_000,
  });

/** The id in `{"$ref": {"block_document_id": …}}` or `{"$ref": …}`. */
function idOf(value: unknown): string {
  const ref = isRecord(value) ? value["$ref"] : undefined;
  if (isRecord(ref)) return String(ref["block_document_id"] ?? "");
  return typeof ref === "string" ? ref : "";
}

export function BlockControl(props: ControlProps) {
  const slug = String(props.schema["block_type_slug"]);
  const documents = useQuery(documentsQuery(slug)).data ?? [];
  const id = idOf(props.value);
  return (
    <Frame of={props}>
      <select
        {...about(props)}
        value={id}
        onChange={(event) =>
          props.onChange(
            event.target.value ? { $ref: { block_document_id: event.target.value } } : emptied(props.schema),
          )
        }
      >
        <option value="">
          {documents.length === 0 ? `no block of type ${slug} is saved` : "choose a block"}
        </option>
        {id && !documents.some((each) => each.id === id) && <option value={id}>{id}</option>}
        {documents.map((each) => (
          <option key={each.id} value={each.id}>
            {each.name ?? each.id}
          </option>
        ))}
      </select>
    </Frame>
  );
}
