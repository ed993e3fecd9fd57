import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Planned, Upcoming } from "@/data/upcoming";
import { Button } from "@/parts/Button";
import { type Column, DataTable } from "@/parts/DataTable";
import { Ago, Time } from "@/parts/Time";
import { duration } from "@/words/numbers";
import type { DateActions } from "../deployments/changingDates";
import { MoveDialog } from "../deployments/MoveDialog";
import { scheduleWords } from "../deployments/scheduleWords";

/** The next dates of all schedules, one a row. */
export function UpcomingList({ data, actions }: { data: Upcoming; actions: DateActions }) {
  const [moving, setMoving] = useState<Planned | null>(null);
  const owners = new Map(data.deployments.map((each) => [each.id, each]));
  const schedules = new Map(data.schedules.map((each) => [each.id, each]));
  const nameOf = (date: Planned) => {
    const owner = owners.get(date.deployment_id);
    return owner ? `${owner.flow_name} / ${owner.name}` : (date.run_name ?? "a run");
  };
  const columns: readonly Column<Planned>[] = [
    {
      key: "at",
      head: "Starts",
      width: "128px",
      cell: (date) => (
        <span className={date.skipped ? "skipped b" : "b"}>
          <Time at={date.at} />
        </span>
      ),
    },
    {
      key: "in",
      head: "",
      width: "88px",
      narrow: "below",
      cell: (date) => (
        <span className="q">
          <Ago at={date.at} />
        </span>
      ),
    },
    {
      key: "name",
      head: "Deployment",
      width: "minmax(200px, 1.2fr)",
      cell: (date) => (
        <Link
          className={date.skipped ? "name skipped" : "name"}
          to={`/deployments/${date.deployment_id}`}
          title={nameOf(date)}
        >
          {nameOf(date)}
        </Link>
      ),
    },
    {
      key: "schedule",
      head: "Schedule",
      width: "minmax(120px, 1fr)",
      narrow: "hide",
      cell: (date) => {
        const schedule = schedules.get(date.schedule_id ?? "");
        const words = schedule ? (schedule.slug ?? scheduleWords(schedule.definition)) : null;
        if (date.skipped) return <span className="q">skipped by hand</span>;
        return (
          <span className="m" title={words ?? undefined}>
            {words ?? (date.slot_at ? "moved by hand" : "by hand")}
          </span>
        );
      },
    },
    {
      key: "usual",
      head: "Usually",
      width: "92px",
      right: true,
      narrow: "hide",
      cell: (date) => {
        const usual = owners.get(date.deployment_id)?.usual;
        return usual ? <span className="q">~{duration(usual.median_s)}</span> : null;
      },
    },
    {
      key: "pool",
      head: "Pool",
      width: "120px",
      narrow: "hide",
      cell: (date) => owners.get(date.deployment_id)?.pool ?? <span className="q">none</span>,
    },
    {
      key: "acts",
      head: <span className="sr">What can be done</span>,
      width: "186px",
      right: true,
      narrow: "below",
      cell: (date) =>
        date.skipped ? (
          <Button small quiet onClick={() => void actions.putBack(date)}>
            Put back
          </Button>
        ) : (
          <>
            <Button small quiet onClick={() => void actions.skip(date)}>
              Skip
            </Button>
            <Button small quiet onClick={() => setMoving(date)}>
              Move
            </Button>
            <Button small quiet onClick={() => void actions.runNow(date)}>
              Run now
            </Button>
          </>
        ),
    },
  ];
  return (
    <>
      <DataTable
        label="Upcoming runs"
        rows={data.next}
        columns={columns}
        rowKey={(date) => `${date.schedule_id} ${date.run_id} ${date.at}`}
        height="calc(100vh - 94px)"
      />
      {moving && (
        <MoveDialog
          date={moving}
          name={nameOf(moving)}
          onClose={() => setMoving(null)}
          onMove={(to) => {
            setMoving(null);
            void actions.move(moving, to);
          }}
        />
      )}
    </>
  );
}
