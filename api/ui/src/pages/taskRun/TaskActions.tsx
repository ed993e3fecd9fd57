import { useNavigate } from "@tanstack/react-router";
import { Ellipsis, Pencil, RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import type { RunDetails, TaskRunDetails } from "@/data/oneRun";
import { deleteTaskRun } from "@/data/steering";
import { Button } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { ConfirmDestroy, CopyAs, Menu } from "@/parts/overlays";
import { usePageKeys } from "@/parts/pageKeys";
import { useRunSteering } from "@/pages/run/RunActions";
import { SetStateDialog } from "@/pages/run/SetStateDialog";

/** Buttons of a task run: it is retried with its run, where what completed answers from its record. */
export function TaskActions({ task, run }: { task: TaskRunDetails; run: RunDetails | undefined }) {
  const [open, setOpen] = useState<"state" | "delete" | null>(null);
  const navigate = useNavigate();
  usePageKeys({ C: () => void copy(`heliostat task-run inspect ${task.id}`, "Command") });
  return (
    <>
      {run && <Retry run={run} />}
      <CopyAs
        commands={{
          cli: `heliostat task-run inspect ${task.id}`,
          api: { method: "GET", path: `/task_runs/${task.id}` },
          python: [
            "from heliostat import HeliostatClient",
            "",
            "async with HeliostatClient() as client:",
            `    task = await client.read_task_run("${task.id}")`,
          ].join("\n"),
        }}
        json={task}
      />
      <Menu
        label="More"
        items={[
          { text: "Set state", icon: <Pencil className="i s" />, act: () => setOpen("state") },
          { text: "Delete", icon: <Trash2 className="i s" />, danger: true, act: () => setOpen("delete") },
        ]}
        button={
          <button type="button" className="btn icon" aria-label="More" title="More">
            <Ellipsis className="i" />
          </button>
        }
      />
      {open === "state" && (
        <SetStateDialog kind="task_runs" id={task.id} name={task.name} onClose={() => setOpen(null)} />
      )}
      <ConfirmDestroy
        open={open === "delete"}
        title={`Delete ${task.name}`}
        losses={["The record of this task run and its states are lost.", "Its run and its log lines stay."]}
        verb={`Delete ${task.name}`}
        onClose={() => setOpen(null)}
        act={async () => {
          await deleteTaskRun(task.id);
          await navigate({ to: run ? `/runs/${run.id}` : "/runs" });
        }}
      />
    </>
  );
}

function Retry({ run }: { run: RunDetails }) {
  const { retry, busy } = useRunSteering(run);
  usePageKeys({ R: retry });
  if (!retry) return null;
  return (
    <Button
      disabled={busy}
      onClick={retry}
      title="R: run the run again; what completed answers from its record"
    >
      <RotateCcw className="i s" /> Retry with its run
    </Button>
  );
}
