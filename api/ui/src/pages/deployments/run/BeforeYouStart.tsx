import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useNow } from "@/data/now";
import { said } from "@/data/failures";
import { StateGlyph } from "@/parts/StateGlyph";
import { age, counted, duration } from "@/words/numbers";
import type { Fit } from "./fitting";
import type { Outlook, RunCheck } from "./useRunCheck";

type Tone = "good" | "bad" | "wait" | "time";
const STATE: Record<Tone, [string, string]> = {
  good: ["COMPLETED", "Completed"],
  bad: ["FAILED", "Failed"],
  wait: ["SCHEDULED", "Late"],
  time: ["SCHEDULED", "Scheduled"],
};

function Line({ tone, children }: { tone: Tone; children: ReactNode }) {
  const [type, name] = STATE[tone];
  return (
    <div>
      <StateGlyph type={type} name={name} label={false} />
      <span>{children}</span>
    </div>
  );
}

/** Go to a field of the form: its input gets the focus. */
function toField(path: readonly (string | number)[]): void {
  const field = document.querySelector<HTMLElement>(`[data-field="${CSS.escape(path.join("."))}"]`);
  field?.scrollIntoView({ block: "center" });
  field?.querySelector<HTMLElement>("input,select,textarea,button")?.focus();
}

export function BeforeYouStart({
  check,
  fit,
  cancelsNew,
}: {
  check: RunCheck;
  fit: Fit | null;
  /** Whether the deployment cancels a run that finds its limit reached. */
  cancelsNew: boolean;
}) {
  const now = useNow();
  const problems = [...check.parameters, ...check.job];
  const ago = Math.max(0, (now - check.at) / 1000);
  return (
    <section>
      <div className="row">
        <h3 className="grow">Before you start</h3>
        <span className="note" aria-live="off">
          {check.error
            ? "not checked"
            : check.isFresh
              ? `checked by the server, ${ago < 2 ? "just now" : `${age(ago)} ago`}`
              : "being checked"}
        </span>
      </div>
      <div className="checks" role="status">
        {check.error !== null && <Line tone="bad">{said(check.error)}</Line>}
        {problems.length > 0 && (
          <Line tone="bad">
            {counted(problems.length, "field")} to mend:{" "}
            {problems.map((each, at) => (
              <span key={each.path.join(".") + each.text}>
                {at > 0 && ", "}
                <button type="button" className="link b" onClick={() => toField(each.path)}>
                  {each.path.join(".") || "parameters"}
                </button>
              </span>
            ))}
          </Line>
        )}
        {check.others.map((each) => (
          <Line key={each.path.join(".")} tone="bad">
            {each.path.join(".")}: {each.text}
          </Line>
        ))}
        {problems.length + check.others.length === 0 && check.outlook && (
          <Line tone="good">All values fit</Line>
        )}
        {fit && <Line tone={fit.tone}>{fit.text}</Line>}
        {check.outlook && <Ahead outlook={check.outlook} now={now} cancelsNew={cancelsNew} />}
      </div>
    </section>
  );
}

function Ahead({ outlook, now, cancelsNew }: { outlook: Outlook; now: number; cancelsNew: boolean }) {
  const { queue, reasons, usual } = outlook;
  const isLater = outlook.due_at !== null && Date.parse(outlook.due_at) > now;
  return (
    <>
      {outlook.same_key && (
        <Line tone="wait">
          The key is that of{" "}
          <Link className="link b" to={`/runs/${outlook.same_key.id}`}>
            {outlook.same_key.name}
          </Link>
          : no other run is made
        </Line>
      )}
      {isLater ? (
        <Line tone="time">
          Starts in {duration(Math.round((Date.parse(outlook.due_at ?? "") - now) / 1000))}
        </Line>
      ) : (
        reasons.length === 0 && (
          <Line tone="good">
            {queue && queue.limit !== null
              ? `Starts at once: queue ${queue.queue} has ${queue.at_work} of ${queue.limit} places taken`
              : "Starts at once"}
          </Line>
        )
      )}
      {reasons.map((reason) => (
        <Line
          key={reason.code + reason.text}
          tone={cancelsNew && reason.code === "deployment-limit" ? "bad" : "wait"}
        >
          {reason.text}
          {cancelsNew && reason.code === "deployment-limit" && ": a new run is cancelled"}
          {reason.hint && <span className="q"> ({reason.hint})</span>}
        </Line>
      ))}
      {queue && !queue.exists && <Line tone="time">Queue {queue.queue} is new and will be made</Line>}
      {queue && queue.ahead > 0 && (
        <Line tone="wait">
          {counted(queue.ahead, "run")} of queue {queue.queue} {queue.ahead === 1 ? "was" : "were"} there
          first
        </Line>
      )}
      {outlook.at_work.length > 0 && (
        <Line tone="time">
          {outlook.at_work.map((run, at) => (
            <span key={run.id}>
              {at > 0 && ", "}
              <Link className="link" to={`/runs/${run.id}`}>
                {run.name}
              </Link>
            </span>
          ))}{" "}
          of the same deployment {outlook.at_work.length === 1 ? "is" : "are"} under way
        </Line>
      )}
      {usual && (
        <Line tone="time">
          Likely {duration(usual.median_s)}
          {usual.p95_s > usual.median_s * 1.05 && ` to ${duration(usual.p95_s)}`}, from{" "}
          {counted(usual.runs, "earlier run")}
        </Line>
      )}
    </>
  );
}
