import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type RunDetails, subflowsQuery } from "@/data/oneRun";
import type { FlowRun } from "@/data/runs";
import { useNames } from "@/data/names";
import { byKind, taskCountsQuery } from "@/data/taskCounts";
import { type Column, DataTable } from "@/parts/DataTable";
import { Empty, Loaded } from "@/parts/places";
import { SegmentedBar } from "@/parts/SegmentedBar";
import { StateBadge } from "@/parts/StateGlyph";
import { Time, Took } from "@/parts/Time";
import { isFinal } from "@/words/states";

export default function SubflowsTab({ run }: { run: RunDetails }) {
  const query = useQuery(subflowsQuery(run.id, !isFinal(run.state_type)));
  return (
    <Loaded query={query} what="The sub-flow runs">
      {(rows) =>
        rows.length === 0 ? (
          <Empty
            title="No sub-flows"
            text="Flows that this run calls show here, each with its own state and tasks."
          />
        ) : (
          <Table rows={rows} />
        )
      }
    </Loaded>
  );
}

function Table({ rows }: { rows: readonly FlowRun[] }) {
  const navigate = useNavigate();
  const flows = useNames(
    "flows",
    rows.map((each) => each.flow_id),
  );
  const counts = useQuery(taskCountsQuery(rows.map((each) => each.id))).data ?? {};
  const columns: readonly Column<FlowRun>[] = [
    {
      key: "state",
      head: "State",
      width: "132px",
      cell: (each) => <StateBadge type={each.state_type} name={each.state_name} />,
    },
    {
      key: "name",
      head: "Run",
      width: "minmax(160px, 1fr)",
      cell: (each) => (
        <>
          <span className="name">{each.name}</span> <span className="q">{flows.get(each.flow_id)}</span>
        </>
      ),
    },
    {
      key: "tasks",
      head: "Tasks",
      width: "160px",
      narrow: "below",
      cell: (each) => <SegmentedBar counts={byKind(counts[each.id] ?? {})} />,
    },
    {
      key: "start",
      head: "Started",
      width: "110px",
      right: true,
      narrow: "below",
      cell: (each) => <Time at={each.start_time} />,
    },
    {
      key: "took",
      head: "Took",
      width: "100px",
      right: true,
      narrow: "below",
      cell: (each) => <Took start={each.start_time} end={each.end_time} />,
    },
  ];
  return (
    <DataTable
      label="Sub-flow runs"
      rows={rows}
      columns={columns}
      rowKey={(each) => each.id}
      onOpen={(each) => void navigate({ to: `/runs/${each.id}` })}
    />
  );
}
