import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";
import { type RunDetails, type TaskRun, taskRunsQuery } from "@/data/oneRun";
import { byKind, totalOf } from "@/data/taskCounts";
import { useUrlStates } from "@/data/urlState";
import { Segmented } from "@/parts/choosing";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { Tags } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { duration, figure } from "@/words/numbers";
import { isFinal } from "@/words/states";

const TYPES: Readonly<Record<string, readonly string[]>> = {
  all: [],
  failed: ["FAILED", "CRASHED"],
  running: ["RUNNING"],
  waiting: ["PENDING", "SCHEDULED", "PAUSED"],
  completed: ["COMPLETED"],
  cancelled: ["CANCELLED", "CANCELLING"],
};

const COLUMNS: readonly Column<TaskRun>[] = [
  {
    key: "state",
    head: "State",
    width: "132px",
    cell: (task) => <StateBadge type={task.state_type} name={task.state_name} />,
  },
  {
    key: "name",
    head: "Task run",
    width: "minmax(160px, 1fr)",
    sorts: { down: "NAME_DESC", up: "NAME_ASC" },
    cell: (task) => (
      <span title={task.state?.message ?? task.name}>
        <span className="name">{task.name}</span>{" "}
        {task.state_type !== "COMPLETED" && <span className="q">{task.state?.message}</span>}
      </span>
    ),
  },
  {
    key: "start",
    head: "Started",
    width: "110px",
    right: true,
    narrow: "below",
    sorts: { down: "EXPECTED_START_TIME_DESC", up: "EXPECTED_START_TIME_ASC" },
    cell: (task) => <Time at={task.start_time} style="time" />,
  },
  {
    key: "took",
    head: "Took",
    width: "90px",
    right: true,
    narrow: "below",
    cell: (task) => (task.start_time ? duration(task.estimated_run_time) : <span className="q">none</span>),
  },
  {
    key: "tries",
    head: "Tries",
    width: "60px",
    right: true,
    narrow: "hide",
    cell: (task) => task.run_count || "",
  },
  { key: "tags", head: "Tags", width: "150px", narrow: "hide", cell: (task) => <Tags tags={task.tags} /> },
];

export default function TasksTab({ run }: { run: RunDetails }) {
  const navigate = useNavigate();
  const [search, setSearch] = useUrlStates();
  const text = String(search["q"] ?? "");
  const [name] = useDebouncedValue(text.trim(), 250);
  const state = String(search["state"] ?? "all");
  const sort = String(search["sort"] ?? "EXPECTED_START_TIME_ASC");
  const asked = useMemo(() => ({ name, types: TYPES[state] ?? [], sort }), [name, state, sort]);
  const query = useInfiniteQuery(taskRunsQuery(run.id, asked, !isFinal(run.state_type)));
  const kinds = byKind(run.task_run_counts);
  const counts: Record<string, number> = {
    all: totalOf(run.task_run_counts),
    failed: (kinds.failed ?? 0) + (kinds.crashed ?? 0),
    running: kinds.running ?? 0,
    waiting: (kinds.pending ?? 0) + (kinds.scheduled ?? 0) + (kinds.paused ?? 0),
    completed: kinds.completed ?? 0,
    cancelled: kinds.cancelled ?? 0,
  };
  return (
    <>
      <div className="gbar">
        <SearchField
          label="Search task runs"
          placeholder="Name or item"
          value={text}
          onChange={(event) => setSearch({ q: event.target.value || undefined })}
        />
        <Segmented
          small
          label="State"
          value={state}
          onChange={(next) => setSearch({ state: next === "all" ? undefined : next })}
          choices={Object.keys(TYPES)
            .filter((each) => each === "all" || each === state || (counts[each] ?? 0) > 0)
            .map((each) => ({
              value: each,
              text: (
                <>
                  {each.charAt(0).toUpperCase() + each.slice(1)}{" "}
                  <span className="q">{figure(counts[each] ?? 0)}</span>
                </>
              ),
            }))}
        />
      </div>
      <Loaded query={query} what="The task runs">
        {(data) => {
          const rows = data.pages.flat();
          if (rows.length === 0)
            return (
              <Empty
                title={counts["all"] ? "No task run fits" : "No task runs"}
                text={
                  counts["all"]
                    ? "Another name or all states show more."
                    : "Calls of tasks in the flow show here, each with its state."
                }
              />
            );
          return (
            <DataTable
              label="Task runs"
              rows={rows}
              columns={COLUMNS}
              rowKey={(task) => task.id}
              onOpen={(task) => void navigate({ to: `/task-runs/${task.id}` })}
              sort={sort}
              onSort={(next) => setSearch({ sort: next })}
              onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
            />
          );
        }}
      </Loaded>
    </>
  );
}
