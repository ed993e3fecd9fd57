import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FlowRun, type FlowRunFilter, flowRunsQuery } from "@/data/runs";
import type { Usual } from "@/data/usual";
import { UsualBar } from "@/parts/charts";
import { type Column, DataTable } from "@/parts/DataTable";
import { Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { Time, Took } from "@/parts/Time";
import { counted } from "@/words/numbers";

const BEGUN = { state: { type: { not_any_: ["SCHEDULED"] } } };

/** The newest runs of a flow or deployment, each against the usual length. */
export function LatestRuns({
  filter,
  usual,
  whole = false,
}: {
  filter: FlowRunFilter;
  usual: Usual | undefined;
  /** All of them; otherwise the first few. */
  whole?: boolean;
}) {
  const navigate = useNavigate();
  const query = useInfiniteQuery(flowRunsQuery({ ...filter, flow_runs: BEGUN }, "EXPECTED_START_TIME_DESC"));
  const columns: readonly Column<FlowRun>[] = [
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
      cell: (run) => (
        <>
          <Link className="name" to={`/runs/${run.id}`}>
            {run.name}
          </Link>{" "}
          <span className="q">{note(run)}</span>
        </>
      ),
    },
    {
      key: "start",
      head: "Started",
      width: "112px",
      right: true,
      narrow: "below",
      cell: (run) => <Time at={run.start_time ?? run.expected_start_time} />,
    },
    {
      key: "took",
      head: "Took",
      width: "96px",
      right: true,
      narrow: "below",
      cell: (run) => <Took start={run.start_time} end={run.end_time} />,
    },
    {
      key: "usual",
      head: "",
      width: "92px",
      narrow: "hide",
      cell: (run) =>
        usual &&
        run.start_time &&
        run.end_time && (
          <UsualBar
            seconds={(Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000}
            median={usual.median_s}
            p95={usual.p95_s}
          />
        ),
    },
  ];
  return (
    <Loaded query={query} what="The runs">
      {(data) => {
        const rows = whole ? data.pages.flat() : data.pages.flat().slice(0, 12);
        return rows.length === 0 ? (
          <p className="note dep-none">None has run yet.</p>
        ) : (
          <DataTable
            label="Latest runs"
            rows={rows}
            columns={columns}
            rowKey={(run) => run.id}
            height={whole ? "60vh" : undefined}
            rowHeight={28}
            onOpen={(run) => void navigate({ to: `/runs/${run.id}` })}
            onEnd={() =>
              void (whole && query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())
            }
          />
        );
      }}
    </Loaded>
  );
}

/** Why it ended badly, or how often it was tried. */
function note(run: FlowRun): string {
  if (run.state_type === "FAILED" || run.state_type === "CRASHED") return run.state?.message ?? "";
  return run.run_count > 1 ? counted(run.run_count, "try", "tries") : "";
}
