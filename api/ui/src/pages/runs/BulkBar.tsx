/** What can be done with the chosen runs, or with all that match. */

import { useQueryClient } from "@tanstack/react-query";
import { Ban, GitCompare, RotateCcw, Trash2, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { cancelJob, createJob, doing, type JobVerb, jobsQuery, type NewJob } from "@/data/jobs";
import { bodyOf, type RunAsk } from "@/data/runList";
import { useAct } from "@/parts/acting";
import { Button, ButtonLink } from "@/parts/Button";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { toast } from "@/parts/toasts";
import { counted, figure } from "@/words/numbers";
import { SetStateDialog } from "./SetStateDialog";

const UNDO_S = 6; // so long it waits until it begins: until then nothing has happened
const TYPED_ABOVE = 10;

type Props = { ask: RunAsk; ids: ReadonlySet<string>; total: number; onClose: () => void };

export function BulkBar({ ask, ids, total, onClose }: Props) {
  const queries = useQueryClient();
  const [all, setAll] = useState(false);
  const [asking, setAsking] = useState<"state" | "delete" | null>(null);
  const [run, isBusy] = useAct();
  const chosen = [...ids];
  const count = all ? total : chosen.length;
  const target: Partial<NewJob> = all
    ? { ...bodyOf(ask), label: ask.q || "all runs" }
    : { flow_run_ids: chosen, label: `${counted(count, "chosen run")}` };
  const again = () => queries.invalidateQueries({ queryKey: jobsQuery.queryKey });

  const begin = async (verb: JobVerb, more: Partial<NewJob> = {}) => {
    const begins_in_s = verb === "delete" ? 0 : UNDO_S;
    const job = await createJob({ verb, ...target, ...more, begins_in_s });
    queries.setQueryData(jobsQuery.queryKey, (old) => [job, ...(old ?? [])]);
    void again();
    onClose();
    toast({
      text: `${doing(verb)} ${counted(job.total, "run")}`,
      undo:
        verb === "delete"
          ? undefined
          : () =>
              void run("It was not taken back", async () => {
                const back = await cancelJob(job.id);
                await again();
                const changed = back.outcomes.done ?? 0;
                toast({
                  text: changed ? `Stopped; ${counted(changed, "run")} had been changed` : "Taken back",
                });
              }),
    });
  };
  const runs = counted(count, "run");
  const retry = () => void run("Not retried", () => begin("retry"));
  const cancel = () => void run("Not cancelled", () => begin("cancel"));
  const keys = useRef({ r: retry, x: cancel });
  useEffect(() => {
    keys.current = { r: retry, x: cancel };
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const isWritten = (event.target as HTMLElement | null)?.closest(
        "input:not([type=checkbox]),textarea,[role=dialog]",
      );
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isWritten) return;
      if (event.key === "r") keys.current.r();
      if (event.key === "x") keys.current.x();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  const [one, two] = chosen;
  return (
    <div className="bulk" role="toolbar" aria-label="Chosen runs">
      <b className="b" role="status">
        {figure(count)} selected
      </b>
      {total > chosen.length && (
        <button type="button" className="link" aria-pressed={all} onClick={() => setAll(!all)}>
          {all ? `only the ${figure(chosen.length)} chosen` : `all ${figure(total)} that match`}
        </button>
      )}
      <Button disabled={isBusy} title="R" onClick={retry}>
        <RotateCcw className="i" /> Retry {figure(count)}
      </Button>
      <Button disabled={isBusy} title="X" onClick={cancel}>
        <Ban className="i" /> Cancel {figure(count)}
      </Button>
      <Button onClick={() => setAsking("state")}>Set state…</Button>
      {!all && chosen.length === 2 && one && two && (
        <ButtonLink to={`/runs/${one}`} search={{ tab: "compare", with: two }}>
          <GitCompare className="i" /> Compare
        </ButtonLink>
      )}
      <CopyAs
        commands={{
          cli: all ? undefined : chosen.map((id) => `heliostat flow-run inspect ${id}`).join("\n"),
          api: { method: "POST", path: "/heliostat/jobs", body: { verb: "retry", ...target } },
          python: all ? undefined : pythonOf(chosen),
        }}
      />
      <Button danger onClick={() => setAsking("delete")}>
        <Trash2 className="i" /> Delete…
      </Button>
      <Button quiet icon label="Choose none" onClick={onClose}>
        <X className="i" />
      </Button>
      <SetStateDialog
        open={asking === "state"}
        runs={runs}
        onClose={() => setAsking(null)}
        act={(state, force) => begin("set-state", { state, force })}
      />
      <ConfirmDestroy
        open={asking === "delete"}
        title={`Delete ${runs}`}
        losses={[
          `${runs}, with states, task runs, results and logs`,
          "Sub-flow runs that they called go with them",
          "Flows, deployments and artifacts' versions stay",
        ]}
        verb={`Delete ${runs}`}
        keep="Keep them"
        typed={count > TYPED_ABOVE ? `delete ${count}` : undefined}
        onClose={() => setAsking(null)}
        act={() => begin("delete")}
      />
    </div>
  );
}

function pythonOf(ids: readonly string[]): string {
  return [
    "import asyncio",
    "from heliostat import HeliostatClient",
    "",
    "async def main():",
    "    async with HeliostatClient() as client:",
    `        for id in ${JSON.stringify(ids)}:`,
    "            print(await client.read_flow_run(id))",
    "",
    "asyncio.run(main())",
  ].join("\n");
}
