/** The reasons why a run waits, each with what cures it: a button, a command, or who holds the slot. */

import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { get, patch } from "@/data/client";
import type { Reason, RunDetails } from "@/data/oneRun";
import { scheduleNow } from "@/data/steering";
import { useAct } from "@/parts/acting";
import { Button, ButtonLink } from "@/parts/Button";
import { CommandLine } from "@/parts/places";
import { Ago } from "@/parts/Time";
import { LimitDialog } from "./LimitDialog";
import { ResumeDialog } from "./ResumeDialog";

type Place = { run: RunDetails; pool: string | null; queue: string | null };

export function Reasons({ reasons, ...place }: Place & { reasons: readonly Reason[] }) {
  return (
    <ul className="reasons" aria-label="Why it waits">
      {reasons.map((reason, at) => (
        <li key={`${reason.code} ${at}`} className="reason">
          <div className="grow">
            <div className="wrap">{reason.text}</div>
            {reason.since && (
              <div className="q sm">
                since <Ago at={reason.since} />
              </div>
            )}
            {reason.holders.length > 0 && (
              <div className="row holders">
                <span className="q sm">held by</span>
                {reason.holders.map((holder) => (
                  <Link key={holder.id} to={`/runs/${holder.id}`} className="chip">
                    {holder.name}
                  </Link>
                ))}
              </div>
            )}
            {reason.hint?.startsWith("heliostat ") && <CommandLine command={reason.hint} />}
            {reason.hint && !reason.hint.startsWith("heliostat ") && (
              <div className="m sm">{reason.hint}</div>
            )}
          </div>
          <Cure reason={reason} {...place} />
        </li>
      ))}
    </ul>
  );
}

/** The click that helps, by the reason's code; none where only waiting or a command does. */
function Cure({ reason, run, pool, queue }: Place & { reason: Reason }) {
  const [act, busy] = useAct();
  const [open, setOpen] = useState<"limit" | "answer" | null>(null);
  const queries = useQueryClient();
  const renew = () => queries.invalidateQueries({ queryKey: ["run", run.id] });
  const change = (path: string, body: unknown, failed: string, done: string, before: unknown) =>
    void act(
      failed,
      async () => {
        await patch(path, body);
        await renew();
      },
      { done, undo: () => void act("Not undone", () => patch(path, before)) },
    );
  const poolPath = `/work_pools/${encodeURIComponent(pool ?? "")}`;
  const queuePath = `${poolPath}/queues/${encodeURIComponent(queue ?? "")}`;
  switch (reason.code) {
    case "pool-paused":
      return (
        <Button
          small
          sun
          disabled={busy}
          onClick={() =>
            change(poolPath, { is_paused: false }, `Pool ${pool} is still paused`, `Pool ${pool} goes on`, {
              is_paused: true,
            })
          }
        >
          Resume pool {pool}
        </Button>
      );
    case "queue-paused":
      return (
        <Button
          small
          sun
          disabled={busy}
          onClick={() =>
            change(
              queuePath,
              { is_paused: false },
              `Queue ${queue} is still paused`,
              `Queue ${queue} goes on`,
              { is_paused: true },
            )
          }
        >
          Resume queue {queue}
        </Button>
      );
    case "pool-limit":
    case "queue-limit":
    case "deployment-limit":
    case "deadlock":
      return (
        <>
          <Button small onClick={() => setOpen("limit")}>
            Raise the limit
          </Button>
          {open === "limit" && (
            <LimitDialog
              {...limitOf(reason, run, poolPath, queuePath)}
              onDone={renew}
              onClose={() => setOpen(null)}
            />
          )}
        </>
      );
    case "waits-for-input":
    case "paused":
      return (
        <>
          <Button small sun onClick={() => setOpen("answer")}>
            {reason.code === "paused" ? "Resume" : "Answer"}
          </Button>
          {open === "answer" && <ResumeDialog run={run} onClose={() => setOpen(null)} />}
        </>
      );
    case "not-due":
      return (
        <Button
          small
          sun
          disabled={busy}
          onClick={() =>
            void act(
              `${run.name} was not moved to now`,
              async () => {
                await scheduleNow(run.id);
                await renew();
              },
              { done: `${run.name} is due now` },
            )
          }
        >
          Run it now
        </Button>
      );
    case "claimer-gone":
      return (
        <Button
          small
          disabled={busy}
          onClick={() =>
            void act(`${run.name} was not scheduled`, () => scheduleNow(run.id).then(renew), {
              done: `${run.name} is offered to the workers again`,
            })
          }
        >
          Schedule it again
        </Button>
      );
    case "tag-limit":
      return (
        <ButtonLink small to="/concurrency">
          Open concurrency
        </ButtonLink>
      );
    case "unplaceable-task":
      return (
        <ButtonLink small to="/cluster">
          Open the cluster
        </ButtonLink>
      );
    default:
      return null;
  }
}

export type Limit = {
  what: string;
  read: () => Promise<number | null>;
  write: (limit: number | null) => Promise<unknown>;
};

/** The limit that a reason names, and how it is changed. */
function limitOf(reason: Reason, run: RunDetails, poolPath: string, queuePath: string): Limit {
  const shared = /concurrency limit '([^']+)'/.exec(reason.text)?.[1];
  if (shared !== undefined) {
    const path = `/v2/concurrency_limits/${encodeURIComponent(shared)}`;
    return {
      what: `concurrency limit ${shared}`,
      read: async () => (await get<{ limit: number }>(path)).limit,
      write: (limit) => patch(path, { limit }),
    };
  }
  const isQueue = reason.code === "queue-limit" || reason.text.includes("work queue '");
  const isPool = reason.code === "pool-limit" || (!isQueue && reason.text.includes("work pool '"));
  const path = isQueue ? queuePath : isPool ? poolPath : `/deployments/${run.deployment_id ?? ""}`;
  return {
    what: isQueue ? "the work queue" : isPool ? "the work pool" : "the deployment",
    read: async () => (await get<{ concurrency_limit: number | null }>(path)).concurrency_limit,
    write: (limit) => patch(path, { concurrency_limit: limit }),
  };
}
