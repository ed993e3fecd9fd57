import { useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import {
  addSchedule,
  changeSchedule,
  deleteSchedule,
  type Deployment,
  type Schedule,
  type ScheduleBody,
} from "@/data/deployments";
import type { Usual } from "@/data/usual";
import { act } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Switch } from "@/parts/choosing";
import { brief } from "@/parts/form/compare";
import { SectionHead } from "@/parts/page";
import { ScheduleEditor } from "./ScheduleEditor";
import { scheduleWords, zoneOf } from "./scheduleWords";
import { Triggers } from "./Triggers";

const NEW: Schedule = {
  id: "",
  created: "",
  updated: "",
  deployment_id: "",
  schedule: { cron: "30 6 * * *", timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, day_or: true },
  active: true,
  max_scheduled_runs: null,
  parameters: {},
  slug: null,
};

/** The schedules of a deployment, one of them open to be changed in place. */
export function Schedules({
  deployment,
  usual,
  failing,
}: {
  deployment: Deployment;
  usual: Usual | undefined;
  failing: boolean;
}) {
  const { id, schedules } = deployment;
  const queries = useQueryClient();
  const [open, setOpen] = useState<string | null>(schedules[0]?.id ?? null);
  const refresh = () =>
    Promise.all(["deployment", "upcoming"].map((key) => queries.invalidateQueries({ queryKey: [key] })));

  const setActive = async (schedule: Schedule, active: boolean) => {
    const words = schedule.slug ?? scheduleWords(schedule.schedule);
    const doing = (to: boolean) => changeSchedule(id, schedule.id, { active: to });
    await act(active ? "Not resumed" : "Not paused", () => doing(active), {
      done: `${words}: ${active ? "runs again" : "paused"}`,
      undo: () => void doing(!active).then(refresh),
    });
    await refresh();
  };
  const save = async (schedule: Schedule, body: ScheduleBody) => {
    if (schedule.id) await changeSchedule(id, schedule.id, body);
    else {
      const [made] = await addSchedule(id, { active: true, ...body });
      setOpen(made?.id ?? null);
    }
    await refresh();
  };
  const remove = async (schedule: Schedule) => {
    const { schedule: definition, active, parameters, max_scheduled_runs, slug } = schedule;
    await act("Not deleted", () => deleteSchedule(id, schedule.id), {
      done: `${slug ?? scheduleWords(definition)}: deleted, with the runs that it made ahead`,
      undo: () =>
        void addSchedule(id, { schedule: definition, active, parameters, max_scheduled_runs, slug }).then(
          refresh,
        ),
    });
    setOpen(null);
    await refresh();
  };
  const shown = open === "" ? [...schedules, NEW] : schedules;
  return (
    <aside className="sched" aria-label="Schedules">
      <SectionHead title="Schedules" count={schedules.length || undefined}>
        <Button small onClick={() => setOpen("")}>
          <Plus className="i s" /> Add
        </Button>
      </SectionHead>
      {deployment.paused && schedules.length > 0 && (
        <div className="strip k-paused t-l">The deployment is paused: none of them starts anything.</div>
      )}
      {failing && !deployment.paused && <div className="strip k-failed t-l">The last three runs failed.</div>}
      {shown.length === 0 && (
        <p className="note sched-none">It runs only when somebody or something starts it.</p>
      )}
      {shown.map((schedule, at) => {
        const isOpen = open === schedule.id;
        const words = schedule.id ? scheduleWords(schedule.schedule) : "A new schedule";
        const given = Object.entries(schedule.parameters);
        return (
          <div key={schedule.id} className="bt">
            <div className="sitem">
              <span className={isOpen ? "sn on" : "sn"}>{at + 1}</span>
              <button
                type="button"
                className="grow cut sitem-name"
                aria-expanded={isOpen}
                title={`${words}, ${zoneOf(schedule.schedule)}`}
                onClick={() => setOpen(isOpen ? null : schedule.id)}
              >
                <b className="b">{schedule.slug ?? words}</b>{" "}
                <span className="q">
                  {schedule.slug && words}
                  {given.length > 0 &&
                    ` ${given.map(([key, value]) => `${key}=${brief(value, 16)}`).join(", ")}`}
                </span>
              </button>
              {schedule.id && (
                <Switch
                  on={schedule.active}
                  label={`Schedule ${at + 1}: ${words}`}
                  onChange={(on) => void setActive(schedule, on)}
                />
              )}
            </div>
            {isOpen && (
              <ScheduleEditor
                key={`${schedule.id} ${JSON.stringify(schedule.schedule)} ${schedule.updated}`}
                deployment={deployment}
                schedule={schedule}
                usual={usual}
                onSave={(body) => save(schedule, body)}
                onClose={() => setOpen(null)}
                onDelete={schedule.id ? () => void remove(schedule) : undefined}
              />
            )}
          </div>
        );
      })}
      <Triggers deployment={id} />
    </aside>
  );
}
