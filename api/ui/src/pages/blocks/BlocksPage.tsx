import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { type BlockDocument, blockDocumentsQuery, blockTypesQuery } from "@/data/blocks";
import { useUrlState } from "@/data/urlState";
import { ButtonLink } from "@/parts/Button";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Time } from "@/parts/Time";

const COLUMNS: readonly Column<BlockDocument>[] = [
  {
    key: "name",
    head: "Name",
    width: "minmax(160px, 1fr)",
    cell: (each) => (
      <span className="name mono" title={each.name ?? ""}>
        {each.name}
      </span>
    ),
  },
  {
    key: "type",
    head: "Type",
    width: "220px",
    narrow: "below",
    cell: (each) => each.block_type?.name ?? each.block_type_name,
  },
  {
    key: "can",
    head: "Can",
    width: "minmax(160px, 1fr)",
    narrow: "hide",
    cell: (each) => <span className="q">{each.block_schema?.capabilities.join(", ")}</span>,
  },
  {
    key: "updated",
    head: "Changed",
    width: "130px",
    right: true,
    narrow: "hide",
    cell: (each) => <Time at={each.updated} />,
  },
];

export default function BlocksPage() {
  const [text, setText] = useUrlState("q");
  const [slug, setSlug] = useUrlState("type");
  const navigate = useNavigate();
  const query = useQuery(blockDocumentsQuery(text, slug));
  const types = useQuery(blockTypesQuery).data ?? [];
  return (
    <>
      <Title title="Blocks" sub="saved configuration with secrets, by name">
        <CopyAs
          commands={{ api: { method: "POST", path: "/block_documents/filter", body: {} } }}
          json={query.data}
        />
        <ButtonLink sun to="/blocks/new">
          <Plus className="i" /> New block
        </ButtonLink>
      </Title>
      <div className="gbar bt">
        <SearchField label="Part of a name" value={text} onChange={(event) => setText(event.target.value)} />
        <span className="in block-types">
          <select aria-label="Type" value={slug} onChange={(event) => setSlug(event.target.value)}>
            <option value="">all types</option>
            {types.map((each) => (
              <option key={each.id} value={each.slug}>
                {each.name}
              </option>
            ))}
          </select>
        </span>
      </div>
      <Loaded query={query} what="The list of blocks">
        {(documents) =>
          documents.length === 0 ? (
            <Empty
              title={text || slug ? "No block fits" : "No blocks yet"}
              text="A block holds what code needs and should not contain: addresses, keys, folders. It is read by its type and name."
            >
              <ButtonLink to="/blocks/new">
                <Plus className="i" /> New block
              </ButtonLink>
            </Empty>
          ) : (
            <DataTable
              label="Blocks"
              rows={documents}
              columns={COLUMNS}
              rowKey={(each) => each.id}
              onOpen={(each) => void navigate({ to: `/blocks/${each.id}` })}
            />
          )
        }
      </Loaded>
    </>
  );
}
