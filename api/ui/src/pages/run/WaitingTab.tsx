import { useQuery } from "@tanstack/react-query";
import { type Decision, explainQuery, type RunDetails, type RunState } from "@/data/oneRun";
import { flowRunQuery } from "@/data/runs";
import { SectionHead } from "@/parts/page";
import { StateBadge } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { duration } from "@/words/numbers";
import { isFinal } from "@/words/states";
import { secondsBetween } from "@/words/times";
import { Reasons } from "./Reasons";

/** Why it waits, and the states it went through with what the rules decided on the way. */
export default function WaitingTab({ run }: { run: RunDetails }) {
  const explained = useQuery(explainQuery(run.id)).data;
  const place = useQuery({ ...flowRunQuery(run.id), staleTime: 60_000 }).data;
  const reasons = explained?.reasons.filter((reason) => reason.code !== "rule") ?? [];
  return (
    <>
      {explained && (
        <>
          <SectionHead title={isFinal(run.state_type) ? "How it ended" : "Why it waits"} />
          {reasons.length === 0 && <p className="pad m wrap">{explained.summary}</p>}
          <Reasons
            run={run}
            reasons={reasons}
            pool={place?.work_pool_name ?? null}
            queue={place?.work_queue_name ?? null}
          />
        </>
      )}
      <SectionHead title="States and decisions" count={run.states.length} />
      <States states={run.states} decisions={run.decisions.filter((each) => each.task_run_id === null)} />
    </>
  );
}

type Entry = { at: string; state?: RunState; decision?: Decision };

export function States({
  states,
  decisions,
}: {
  states: readonly RunState[];
  decisions: readonly Decision[];
}) {
  const entries: Entry[] = [
    ...states.map((state) => ({ at: state.timestamp, state })),
    ...decisions.map((decision) => ({ at: decision.timestamp, decision })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const next = (at: number) => entries.slice(at + 1).find((entry) => entry.state)?.at;
  return (
    <ol className="history">
      {entries.map((entry, at) => (
        <li key={at} className={entry.state ? "step" : "step decided"}>
          <span className="q">
            <Time at={entry.at} style="millis" />
          </span>
          {entry.state ? <OneState state={entry.state} until={next(at)} /> : null}
          {entry.decision ? <OneDecision decision={entry.decision} /> : null}
        </li>
      ))}
    </ol>
  );
}

function OneState({ state, until }: { state: RunState; until?: string }) {
  return (
    <>
      <StateBadge type={state.type} name={state.name} />
      <span className="wrap">{state.message}</span>
      <span className="q r">{until && `for ${duration(secondsBetween(state.timestamp, until))}`}</span>
    </>
  );
}

const SAID: Readonly<Record<string, string>> = {
  ACCEPT: "accepted",
  REJECT: "rejected",
  WAIT: "delayed",
  ABORT: "refused",
};

function OneDecision({ decision }: { decision: Decision }) {
  return (
    <>
      <span className={decision.status === "ACCEPT" ? "q" : "t-late"}>
        {SAID[decision.status] ?? decision.status}
      </span>
      <span className="m wrap">
        <b className="b">{decision.rule}</b> on {decision.to_name}: {decision.reason}
      </span>
      <span />
    </>
  );
}
