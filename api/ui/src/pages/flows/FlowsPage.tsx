import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { type Flow, flowsQuery, recentQuery } from "@/data/deployments";
import { useUrlStates } from "@/data/urlState";
import { RunBars, Sparkline } from "@/parts/charts";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { Tags, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Ago } from "@/parts/Time";
import { counted, duration, percent } from "@/words/numbers";
import { pastRuns } from "../deployments/pastRuns";
import { figuresOf } from "./flowFigures";

const RUNS = 40;
const BARS = 20;
const text = (value: unknown) =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";

export default function FlowsPage() {
  const navigate = useNavigate();
  const [search, setSearch] = useUrlStates();
  const asked = { text: text(search["q"]), sort: text(search["sort"]) || "NAME_ASC" };
  const query = useInfiniteQuery(flowsQuery(asked));
  const rows = useMemo(() => query.data?.pages.flat() ?? [], [query.data]);
  const ids = useMemo(() => rows.slice(0, 200).map((each) => each.id), [rows]);
  const recent = useQuery(recentQuery({ flow_ids: ids }, RUNS)).data ?? {};
  const columns: readonly Column<Flow>[] = [
    {
      key: "name",
      head: "Flow",
      width: "minmax(200px, 1.4fr)",
      sorts: { down: "NAME_DESC", up: "NAME_ASC" },
      cell: (flow) => (
        <Link className="name" to={`/flows/${flow.id}`} title={flow.name}>
          {flow.name}
        </Link>
      ),
    },
    {
      key: "bars",
      head: `Last ${BARS} runs`,
      width: "140px",
      narrow: "hide",
      cell: (flow) => {
        const runs = pastRuns(recent[flow.id]).slice(-BARS);
        return <RunBars runs={runs} places={BARS} label={counted(runs.length, "run")} />;
      },
    },
    {
      key: "last",
      head: "Last run",
      width: "112px",
      right: true,
      narrow: "below",
      cell: (flow) => {
        const last = recent[flow.id]?.runs.at(-1);
        return last ? <Ago at={last.start ?? last.at} /> : <span className="q">never</span>;
      },
    },
    {
      key: "bad",
      head: "Failed",
      width: "88px",
      right: true,
      narrow: "below",
      cell: (flow) => {
        const { bad, ended } = figuresOf(recent[flow.id]);
        if (ended === 0) return null;
        return (
          <span className={bad > 0 ? "t-failed" : "q"} title={`${bad} of the last ${ended}`}>
            {bad === 0 ? "none" : percent(bad, ended)}
          </span>
        );
      },
    },
    {
      key: "median",
      head: "Usually",
      width: "100px",
      right: true,
      narrow: "below",
      cell: (flow) => {
        const { median } = figuresOf(recent[flow.id]);
        return median === null ? null : duration(median);
      },
    },
    {
      key: "trend",
      head: "Trend",
      width: "78px",
      narrow: "hide",
      cell: (flow) => {
        const { trend } = figuresOf(recent[flow.id]);
        return <Sparkline values={trend} label={`Median lengths: ${trend.map(duration).join(", ")}`} />;
      },
    },
    { key: "tags", head: "Tags", width: "150px", narrow: "hide", cell: (flow) => <Tags tags={flow.tags} /> },
    {
      key: "made",
      head: "First seen",
      width: "110px",
      right: true,
      narrow: "hide",
      sorts: { down: "CREATED_DESC", up: "CREATED_DESC" },
      cell: (flow) => (
        <span className="q">
          <Ago at={flow.created} />
        </span>
      ),
    },
  ];
  return (
    <>
      <Title title="Flows">
        <SearchField
          label="Search flows"
          value={asked.text}
          onChange={(event) => setSearch({ q: event.target.value || undefined })}
        />
      </Title>
      <Loaded query={query} what="The list of flows">
        {() =>
          rows.length === 0 ? (
            asked.text ? (
              <Empty title="No flow fits" text="Another word may find it." />
            ) : (
              <Empty
                title="No flows yet"
                text="A flow shows here once it has run, or was deployed."
                command="heliostat demo"
              />
            )
          ) : (
            <DataTable
              label="Flows"
              rows={rows}
              columns={columns}
              rowKey={(flow) => flow.id}
              rowHeight={36}
              sort={asked.sort}
              onSort={(sort) => setSearch({ sort: sort === "NAME_ASC" ? undefined : sort })}
              onOpen={(flow) => void navigate({ to: `/flows/${flow.id}` })}
              onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
            />
          )
        }
      </Loaded>
    </>
  );
}
