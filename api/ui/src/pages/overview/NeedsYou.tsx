/** Causes before counts: a line a cause, what, why, since when, and one button that cures it. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BellOff, Copy, MessageSquare, Play, RotateCcw, ScrollText, Search } from "lucide-react";
import { patch, post } from "@/data/client";
import { useNow } from "@/data/now";
import { type Need, needKey, needsQuery } from "@/data/overview";
import { isSnoozed, snooze, useSnoozed, wake } from "@/data/snoozed";
import { useAct } from "@/parts/acting";
import { Button, ButtonLink } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateGlyph } from "@/parts/StateGlyph";
import { age, counted } from "@/words/numbers";

const GLYPHS: Record<Need["kind"], readonly [string, string]> = {
  crashed: ["CRASHED", "Crashed"],
  failed: ["FAILED", "Failed"],
  "keeps-failing": ["FAILED", "Failed"],
  late: ["SCHEDULED", "Late"],
  unplaceable: ["PENDING", "Pending"],
  "waits-for-input": ["PAUSED", "Paused"],
  "stands-still": ["RUNNING", "Running"],
  paused: ["PAUSED", "Paused"],
};

export function NeedsYou() {
  const query = useQuery(needsQuery);
  const snoozed = useSnoozed();
  const now = useNow();
  const all = query.data ?? [];
  const shown = all.filter((need) => !isSnoozed(snoozed, needKey(need), now));
  const hidden = all.length - shown.length;
  return (
    <section aria-label="Needs you">
      <SectionHead title="Needs you" count={query.data ? shown.length || "nothing" : undefined}>
        {hidden > 0 && (
          <button type="button" className="link" onClick={() => wake()}>
            {hidden} snoozed
          </button>
        )}
      </SectionHead>
      <Loaded query={query} what="What needs you" rows={4}>
        {() =>
          shown.length === 0 ? (
            <p className="need-none">Nothing failed, nothing is late, nothing waits for an answer.</p>
          ) : (
            <ul>
              {shown.map((need) => (
                <Line key={needKey(need)} need={need} now={now} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

function Line({ need, now }: { need: Need; now: number }) {
  const [type, name] = GLYPHS[need.kind];
  const where = need.deployment_name ? `${need.flow_name} / ${need.deployment_name}` : need.flow_name;
  const isOne = need.kind !== "late" || need.count === 1;
  return (
    <li className="need">
      <StateGlyph type={type} name={name} large />
      <div className="what">
        <div>
          <Link to={`/runs/${need.run_id}`} className="b">
            {where}
            {isOne ? `, ${need.run_name}` : `, ${counted(need.count, "run")}`}
          </Link>{" "}
          <span className="m">{wordsOf(need)}</span>
        </div>
        <div className="why" title={need.text}>
          {need.text}
        </div>
      </div>
      <div className="age">{need.since && age((now - Date.parse(need.since)) / 1000)}</div>
      <div className="row need-acts">
        <Cure need={need} />
        <Button
          quiet
          icon
          small
          label={`Snooze for four hours: ${where}`}
          onClick={() => snooze(needKey(need))}
        >
          <BellOff className="i" />
        </Button>
      </div>
    </li>
  );
}

function wordsOf(need: Need): string {
  switch (need.kind) {
    case "crashed":
      return need.count > 1 ? `crashed, ${counted(need.count, "run")} alike` : "crashed";
    case "failed":
      return need.count > 1 ? `failed, ${counted(need.count, "run")} alike` : "failed";
    case "keeps-failing":
      return `failed ${need.failures} of its last 6 runs`;
    case "late":
      return "late";
    case "unplaceable":
      return "can never start";
    case "waits-for-input":
      return "waits for an answer";
    case "stands-still":
      return "runs without news";
    case "paused":
      return "is paused";
  }
}

/** The one button that helps, by the reason's code. */
function Cure({ need }: { need: Need }) {
  const [run, busy] = useAct();
  const queries = useQueryClient();
  const done = (act: () => Promise<unknown>) => async () => {
    await act();
    await queries.invalidateQueries({ queryKey: needsQuery.queryKey });
  };
  const pool = need.work_pool;
  if (need.kind === "waits-for-input")
    return (
      <ButtonLink to={`/runs/${need.run_id}`} search={{ tab: "waiting" }}>
        <MessageSquare className="i" /> Answer
      </ButtonLink>
    );
  if (need.kind === "paused")
    return (
      <Button
        disabled={busy}
        onClick={() =>
          void run(
            "Not resumed",
            done(() => post(`/flow_runs/${need.run_id}/resume`)),
            { done: "Resumed" },
          )
        }
      >
        <Play className="i" /> Resume
      </Button>
    );
  if (need.kind === "late" && need.code === "pool-paused" && pool)
    return (
      <Button
        disabled={busy}
        onClick={() =>
          void run(
            "Not resumed",
            done(() => patch(`/work_pools/${encodeURIComponent(pool)}`, { is_paused: false })),
            {
              done: `Pool ${pool} resumed`,
            },
          )
        }
      >
        <Play className="i" /> Resume pool
      </Button>
    );
  if (need.kind === "late" && need.code === "queue-paused" && pool && need.work_queue) {
    const queue = need.work_queue;
    const path = `/work_pools/${encodeURIComponent(pool)}/queues/${encodeURIComponent(queue)}`;
    return (
      <Button
        disabled={busy}
        onClick={() =>
          void run(
            "Not resumed",
            done(() => patch(path, { is_paused: false })),
            { done: `Queue ${queue} resumed` },
          )
        }
      >
        <Play className="i" /> Resume queue
      </Button>
    );
  }
  if (need.kind === "late" && need.hint?.startsWith("heliostat worker start"))
    return (
      <Button onClick={() => void copy(need.hint ?? "", "Start command")}>
        <Copy className="i" /> Copy start command
      </Button>
    );
  if (need.kind === "crashed" || (need.kind === "failed" && need.deployment_id))
    return (
      <Button
        disabled={busy}
        onClick={() =>
          void run(
            "Not retried",
            done(() => retry(need.run_id)),
            { done: `${need.run_name} is tried again` },
          )
        }
      >
        <RotateCcw className="i" /> Retry
      </Button>
    );
  if (need.kind === "stands-still")
    return (
      <ButtonLink to={`/runs/${need.run_id}`}>
        <ScrollText className="i" /> See its logs
      </ButtonLink>
    );
  const isFailure = need.kind === "failed" || need.kind === "keeps-failing";
  return (
    <ButtonLink to={`/runs/${need.run_id}`} search={isFailure ? {} : { tab: "waiting" }}>
      <Search className="i" /> {isFailure ? "See the error" : "See why"}
    </ButtonLink>
  );
}

async function retry(runId: string): Promise<void> {
  const state = { type: "SCHEDULED", name: "AwaitingRetry", message: "Retried from the user interface" };
  const answer = await post<{ status: string; details: { reason?: string } }>(
    `/flow_runs/${runId}/set_state`,
    { state },
  );
  if (answer.status !== "ACCEPT") throw new Error(answer.details.reason ?? "The rules refused it.");
}
