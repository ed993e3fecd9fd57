/** What failed, by cause, and what waits, with the click that cures it. */

import { useQuery } from "@tanstack/react-query";
import { Copy, RotateCcw } from "lucide-react";
import { useState } from "react";
import { explainQuery, failuresQuery, type RunDetails } from "@/data/oneRun";
import { useUrlStates } from "@/data/urlState";
import { Button } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { StateGlyph } from "@/parts/StateGlyph";
import { counted, figure } from "@/words/numbers";
import { isFinal } from "@/words/states";
import { Reasons } from "./Reasons";
import { useRunSteering } from "./RunActions";

type Props = { run: RunDetails; pool: string | null; queue: string | null };

export function RunStrips({ run, pool, queue }: Props) {
  const failed = (run.task_run_counts["FAILED"] ?? 0) + (run.task_run_counts["CRASHED"] ?? 0);
  const hasFailed = failed > 0 || run.state_type === "FAILED" || run.state_type === "CRASHED";
  const mayWait = !isFinal(run.state_type);
  return (
    <>
      <div className={hasFailed && mayWait ? "strips two" : "strips one"}>
        {hasFailed && <Failed run={run} failed={failed} />}
        {mayWait && <Waits run={run} pool={pool} queue={queue} />}
      </div>
    </>
  );
}

function Failed({ run, failed }: { run: RunDetails; failed: number }) {
  const kinds = useQuery(failuresQuery(run.id, failed)).data ?? [];
  const [, setSearch] = useUrlStates();
  const { retry, busy } = useRunSteering(run);
  const worst = kinds[0];
  const own = run.error?.message ?? run.state?.message;
  const kind = run.state_type === "CRASHED" ? "crashed" : "failed";
  const show = (q: string | undefined) => setSearch({ tab: "tasks", state: "failed", q });
  return (
    <div className={`strip k-${kind} t-l`}>
      <StateGlyph type={kind === "crashed" ? "CRASHED" : "FAILED"} />
      <span className="cut grow" title={[own, ...kinds.map((each) => each.cause)].filter(Boolean).join("\n")}>
        {worst ? (
          <>
            <b className="b">
              {figure(worst.count)} {worst.task_name} {worst.state_type === "CRASHED" ? "crashed" : "failed"}
            </b>{" "}
            <span className="m">{worst.cause}</span>
            {kinds.length > 1 && (
              <span className="q"> and {counted(kinds.length - 1, "other cause", "other causes")}</span>
            )}
          </>
        ) : (
          <>
            <b className="b">The flow {kind}</b> <span className="m">{own}</span>
          </>
        )}
      </span>
      {worst && (
        <Button small onClick={() => show(kinds.length === 1 ? undefined : worst.task_name)}>
          Show the {figure(kinds.length === 1 ? failed : worst.count)}
        </Button>
      )}
      {!run.deployment_id && !run.parent_task_run_id && (
        <Button
          small
          title="It belongs to no deployment: run again on a machine that has its code, what completed answers from its record"
          onClick={() => void copy(`heliostat flow-run resume ${run.id}`, "Command")}
        >
          <Copy className="i s" /> Copy the command that retries
        </Button>
      )}
      {retry && (
        <Button small disabled={busy} onClick={retry} title="R">
          <RotateCcw className="i s" /> Retry{failed > 0 ? ` ${figure(failed)}` : ""}
        </Button>
      )}
    </div>
  );
}

function Waits({ run, pool, queue }: Props) {
  const [open, setOpen] = useState(false);
  const explained = useQuery(explainQuery(run.id)).data;
  const waiting = (run.task_run_counts["PENDING"] ?? 0) + (run.task_run_counts["SCHEDULED"] ?? 0);
  const reasons = (explained?.reasons ?? []).filter((reason) => reason.code !== "rule");
  const first = reasons[0];
  if (!first && waiting === 0) return null;
  const isPaused = run.state_type === "PAUSED";
  const what =
    first || waiting === 0
      ? run.state_type === "RUNNING" && waiting > 0
        ? `${counted(waiting, "task waits", "tasks wait")}`
        : "It waits"
      : counted(waiting, "task waits", "tasks wait");
  return (
    <div className={isPaused ? "k-paused" : "k-scheduled"}>
      <div className="strip t-l">
        <StateGlyph
          type={isPaused ? "PAUSED" : run.state_type === "SCHEDULED" ? "SCHEDULED" : "PENDING"}
          name={run.state_name}
        />
        <span className="cut grow" title={reasons.map((reason) => reason.text).join("\n")}>
          <b className="b">{what}</b>{" "}
          <span className="m">{first ? first.text : "for other tasks and for free slots"}</span>
        </span>
        {reasons.length > 0 && (
          <Button small pressed={open} aria-expanded={open} onClick={() => setOpen(!open)}>
            Why
          </Button>
        )}
      </div>
      {open && <Reasons run={run} reasons={reasons} pool={pool} queue={queue} />}
    </div>
  );
}
