/** Runs of a pool: those that began, or those that are scheduled. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FlowRun, flowRunsQuery } from "@/data/runs";
import { type Column, DataTable } from "@/parts/DataTable";
import { Tags } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
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
    width: "minmax(140px, 1fr)",
    cell: (run) => (
      <span className="name" title={run.name}>
        {run.name}
      </span>
    ),
  },
  { key: "queue", head: "Queue", width: "110px", narrow: "hide", cell: (run) => run.work_queue_name },
  {
    key: "due",
    head: "Due",
    width: "120px",
    right: true,
    narrow: "hide",
    cell: (run) => <Time at={run.expected_start_time} />,
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
    width: "100px",
    right: true,
    narrow: "below",
    cell: (run) => <Took start={run.start_time} end={run.end_time} />,
  },
  { key: "tags", head: "Tags", width: "160px", narrow: "hide", cell: (run) => <Tags tags={run.tags} /> },
];

export function PoolRuns({ pool, upcoming }: { pool: string; upcoming: boolean }) {
  const navigate = useNavigate();
  const filter = {
    work_pools: { name: { any_: [pool] } },
    ...(upcoming
      ? { flow_runs: { state: { type: { any_: ["SCHEDULED"] } } } }
      : { flow_runs: { state: { type: { not_any_: ["SCHEDULED"] } } } }),
  };
  const sort = upcoming ? "EXPECTED_START_TIME_ASC" : "EXPECTED_START_TIME_DESC";
  const query = useInfiniteQuery(flowRunsQuery(filter, sort));
  return (
    <Loaded query={query} what="The list of runs">
      {(data) => {
        const rows = data.pages.flat();
        if (rows.length === 0)
          return (
            <Empty
              title={upcoming ? "Nothing is scheduled here" : "No run has begun here yet"}
              text={`Runs of deployments that name the work pool ${pool} come here.`}
            />
          );
        return (
          <DataTable
            label={upcoming ? "Upcoming runs" : "Runs"}
            rows={rows}
            columns={upcoming ? COLUMNS.filter((each) => !["start", "took"].includes(each.key)) : COLUMNS}
            rowKey={(run) => run.id}
            onOpen={(run) => void navigate({ to: `/runs/${run.id}` })}
            onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
          />
        );
      }}
    </Loaded>
  );
}
