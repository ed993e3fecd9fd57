/** The buttons of a run, their keys and their dialogs. */

import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Ellipsis, GitFork, Pause, Pencil, Play, RotateCcw, Square, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { RunDetails } from "@/data/oneRun";
import { cancelRun, deleteRun, pauseRun, propose, retryRun, scheduleNow } from "@/data/steering";
import { act, useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { ConfirmDestroy, CopyAs, Menu, type MenuItem } from "@/parts/overlays";
import { usePageKeys } from "@/parts/pageKeys";
import { totalOf } from "@/data/taskCounts";
import { counted } from "@/words/numbers";
import { isFinal } from "@/words/states";
import { ResumeDialog } from "./ResumeDialog";
import { SetStateDialog } from "./SetStateDialog";

type Open = "resume" | "state" | "delete" | null;

/** What can be done with a run as it is now; what cannot is left out. */
export function useRunSteering(run: RunDetails) {
  const [act, busy] = useAct();
  const queries = useQueryClient();
  const renew = () => queries.invalidateQueries({ queryKey: ["run", run.id] });
  const doing = (work: () => Promise<unknown>) => async () => {
    await work();
    await renew();
  };
  const type = run.state_type ?? "";
  const ended = isFinal(type);
  const waits = type === "SCHEDULED" || type === "PENDING";
  const cancel = () =>
    void act(
      `${run.name} was not cancelled`,
      doing(() => cancelRun(run.id)),
      {
        done: `${run.name} is being cancelled`,
        // A run that has not begun goes back to where it waited.
        undo: waits && run.deployment_id ? () => void undoCancel() : undefined,
      },
    );
  const undoCancel = () =>
    act(
      `${run.name} still cancelled`,
      doing(() => scheduleNow(run.id, "cancelled by mistake")),
    );
  const retry = () =>
    void act(
      `${run.name} was not retried`,
      doing(() => retryRun(run.id)),
      {
        done: `${run.name} is tried again`,
        undo: () =>
          void act(
            "Not undone",
            doing(() => putBack(run)),
          ),
      },
    );
  const pause = () =>
    void act(
      `${run.name} was not paused`,
      doing(() => pauseRun(run.id)),
      { done: `${run.name} is paused: its process waits and starts no more tasks` },
    );
  return {
    busy,
    act,
    doing,
    retry: ended && run.deployment_id ? retry : undefined,
    cancel: ended || type === "CANCELLING" ? undefined : cancel,
    pause: type === "RUNNING" ? pause : undefined,
    isPaused: type === "PAUSED",
  };
}

/** The state that a run had before it was scheduled again. */
function putBack(run: RunDetails) {
  const { state } = run;
  return propose(
    "flow_runs",
    run.id,
    { type: run.state_type ?? "FAILED", name: state?.name, message: state?.message ?? undefined },
    true,
  );
}

export function RunActions({ run }: { run: RunDetails }) {
  const [open, setOpen] = useState<Open>(null);
  const navigate = useNavigate();
  const steer = useRunSteering(run);
  const close = () => setOpen(null);
  const again = run.deployment_id
    ? () =>
        void navigate({
          to: `/deployments/${run.deployment_id}/run`,
          search: { from: run.id } as never,
        })
    : undefined;
  const resume = steer.isPaused ? () => setOpen("resume") : undefined;
  usePageKeys({
    R: steer.retry,
    "Shift R": again,
    X: steer.cancel,
    P: resume ?? steer.pause,
    C: () => void copy(`heliostat flow-run inspect ${run.id}`, "Command"),
  });
  const more: MenuItem[] = [
    { text: "Set state", icon: <Pencil className="i s" />, act: () => setOpen("state") },
    { text: "Delete", icon: <Trash2 className="i s" />, danger: true, act: () => setOpen("delete") },
  ];
  const tasks = totalOf(run.task_run_counts);
  return (
    <>
      {resume && (
        <Button sun onClick={resume} title="P">
          <Play className="i s" /> Resume
        </Button>
      )}
      {steer.retry && (
        <Verb
          act={steer.retry}
          busy={steer.busy}
          keyName="R"
          icon={<RotateCcw className="i s" />}
          text="Retry"
        />
      )}
      {steer.pause && (
        <Verb act={steer.pause} busy={steer.busy} keyName="P" icon={<Pause className="i s" />} text="Pause" />
      )}
      {steer.cancel && (
        <Button danger disabled={steer.busy} onClick={steer.cancel} title="X">
          <Square className="i s" /> Cancel
        </Button>
      )}
      {again && <Verb act={again} keyName="Shift R" icon={<GitFork className="i s" />} text="Run again…" />}
      <CopyAs commands={commandsOf(run)} json={run} />
      <Menu
        label="More"
        items={more}
        button={
          <button type="button" className="btn icon" aria-label="More" title="More">
            <Ellipsis className="i" />
          </button>
        }
      />
      {open === "resume" && <ResumeDialog run={run} onClose={close} />}
      {open === "state" && <SetStateDialog kind="flow_runs" id={run.id} name={run.name} onClose={close} />}
      <ConfirmDestroy
        open={open === "delete"}
        title={`Delete ${run.name}`}
        losses={[
          `The run with ${counted(tasks, "task run")}, its logs and its history of states are lost.`,
          "Its sub-flow runs are lost with it. Stored results stay where they are.",
        ]}
        verb={`Delete ${run.name}`}
        command={`heliostat flow-run delete ${run.id} --dry-run`}
        onClose={close}
        act={async () => {
          // Its page goes first: it would ask for what is gone.
          await navigate({ to: "/runs" });
          await act("Not deleted", () => deleteRun(run.id), { done: `${run.name} is deleted` });
        }}
      />
    </>
  );
}

function Verb({
  act,
  busy,
  keyName,
  icon,
  text,
}: {
  act: () => void;
  busy?: boolean;
  keyName: string;
  icon: ReactNode;
  text: string;
}) {
  return (
    <Button disabled={busy} onClick={act} title={keyName}>
      {icon} {text}
    </Button>
  );
}

function commandsOf(run: RunDetails) {
  return {
    cli: `heliostat flow-run inspect ${run.id}`,
    api: { method: "GET", path: `/flow_runs/${run.id}` },
    python: [
      "from heliostat import HeliostatClient",
      "",
      "async with HeliostatClient() as client:",
      `    run = await client.read_flow_run("${run.id}")`,
    ].join("\n"),
  };
}
