import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { type Artifact, latestArtifactsQuery } from "@/data/artifacts";
import { useUrlState } from "@/data/urlState";
import { Segmented } from "@/parts/choosing";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Time } from "@/parts/Time";

const TYPES = ["", "table", "markdown", "link", "progress", "image"] as const;

const COLUMNS: readonly Column<Artifact>[] = [
  {
    key: "key",
    head: "Key",
    width: "minmax(160px, 1fr)",
    cell: (each) => (
      <span className="name mono" title={each.key ?? ""}>
        {each.key}
      </span>
    ),
  },
  { key: "type", head: "Type", width: "110px", cell: (each) => each.type ?? "" },
  {
    key: "about",
    head: "What it is",
    width: "minmax(160px, 2fr)",
    narrow: "below",
    cell: (each) => (
      <span className="q" title={each.description ?? ""}>
        {each.description}
      </span>
    ),
  },
  {
    key: "run",
    head: "Made by",
    width: "120px",
    narrow: "hide",
    cell: (each) => (each.flow_run_id ? <Link to={`/runs/${each.flow_run_id}`}>its run</Link> : null),
  },
  {
    key: "updated",
    head: "Changed",
    width: "130px",
    right: true,
    narrow: "below",
    cell: (each) => <Time at={each.updated} />,
  },
];

const EXAMPLE = `heliostat api POST /artifacts/ --data '{"key": "rows-loaded", "type": "table", "data": [{"rows": 5120}]}'`;

export default function ArtifactsPage() {
  const [text, setText] = useUrlState("q");
  const [type, setType] = useUrlState("type");
  const navigate = useNavigate();
  const query = useInfiniteQuery(latestArtifactsQuery(text, type));
  const rows = useMemo(() => query.data?.pages.flat() ?? [], [query.data]);
  const body = {
    artifacts: { ...(text && { key: { like_: text } }), ...(type && { type: { any_: [type] } }) },
  };
  return (
    <>
      <Title title="Artifacts" sub="the newest of each key">
        <CopyAs commands={{ api: { method: "POST", path: "/artifacts/latest/filter", body } }} json={rows} />
      </Title>
      <div className="gbar bt">
        <SearchField label="Part of a key" value={text} onChange={(event) => setText(event.target.value)} />
        <Segmented
          small
          label="Type"
          value={(TYPES as readonly string[]).includes(type) ? type : ""}
          choices={TYPES.map((each) => ({ value: each as string, text: each || "all" }))}
          onChange={setType}
        />
      </div>
      <Loaded query={query} what="The list of artifacts">
        {() =>
          rows.length === 0 ? (
            <Empty
              title={text || type ? "No artifact fits" : "No artifacts yet"}
              text="A run keeps tables, text, links, pictures and progress as artifacts. Those with a key are kept in all their versions."
              command={text || type ? undefined : EXAMPLE}
            />
          ) : (
            <DataTable
              label="Artifacts"
              rows={rows}
              columns={COLUMNS}
              rowKey={(each) => each.id}
              onOpen={(each) =>
                void navigate({ to: `/artifacts/${encodeURIComponent(each.key ?? each.id)}` })
              }
              onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
            />
          )
        }
      </Loaded>
    </>
  );
}
