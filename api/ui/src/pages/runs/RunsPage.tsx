import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FlowRun, flowRunsQuery } from "@/data/runs";
import { type Column, DataTable } from "@/parts/DataTable";
import { Tags, Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { Time, Took } from "@/parts/Time";

const COLUMNS: readonly Column<FlowRun>[] = [
  {
    key: "state",
    head: "State",
    width: "132px",
    cell: (run) => <StateBadge type={run.state_type} name={run.state_name} />,
  },
  {
    key: "name",
    head: "Run",
    width: "minmax(160px, 1fr)",
    cell: (run) => <span className="name">{run.name}</span>,
  },
  {
    key: "start",
    head: "Started",
    width: "120px",
    right: true,
    narrow: "below",
    cell: (run) => <Time at={run.start_time} />,
  },
  {
    key: "took",
    head: "Took",
    width: "110px",
    right: true,
    narrow: "below",
    cell: (run) => <Took start={run.start_time} end={run.end_time} />,
  },
  { key: "pool", head: "Pool", width: "140px", narrow: "hide", cell: (run) => run.work_pool_name },
  { key: "tags", head: "Tags", width: "160px", narrow: "hide", cell: (run) => <Tags tags={run.tags} /> },
];

export default function RunsPage() {
  const navigate = useNavigate();
  const query = useInfiniteQuery(flowRunsQuery({}, "EXPECTED_START_TIME_DESC"));
  return (
    <>
      <Title title="Runs" />
      <Loaded query={query} what="The list of runs">
        {(data) => (
          <DataTable
            label="Runs"
            rows={data.pages.flat()}
            columns={COLUMNS}
            rowKey={(run) => run.id}
            onOpen={(run) => void navigate({ to: `/runs/${run.id}` })}
            onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
          />
        )}
      </Loaded>
    </>
  );
}
