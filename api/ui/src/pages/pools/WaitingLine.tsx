/** Who waits in a pool, in the order in which they will start, and for what. */

import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { changePool, changeQueue, type Line, type Reason, type Waiting } from "@/data/pools";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { SectionHead } from "@/parts/page";
import { Counted } from "@/parts/Time";
import { counted } from "@/words/numbers";

export function WaitingLine({ pool, line }: { pool: string; line: Line }) {
  const all = line.queues.reduce((sum, queue) => sum + queue.waiting, 0);
  return (
    <section aria-label="Waiting line" className="bt">
      <SectionHead title="Waiting line" count={all || "nobody"}>
        {all > 0 && "in the order in which they will start"}
      </SectionHead>
      {line.waiting.length > 0 && (
        <div className="tbl-wrap">
          <table className="tbl flat">
            <colgroup>
              <col style={{ width: 46 }} />
              <col style={{ width: "34%" }} />
              <col style={{ width: 90 }} />
              <col />
              <col style={{ width: 92 }} />
            </colgroup>
            <thead className="sr">
              <tr>
                <th>Place in its queue</th>
                <th>Run</th>
                <th>Queue</th>
                <th>What it waits for</th>
                <th>For how long</th>
              </tr>
            </thead>
            <tbody>
              {line.waiting.map((each, number) => (
                <tr key={each.id}>
                  <td className="r q">{each.position}</td>
                  <td className="name">
                    <Link to={`/runs/${each.id}`} title={each.name}>
                      {each.name}
                    </Link>{" "}
                    <span className="q flow-of">
                      {each.flow_name}
                      {each.deployment_name && ` / ${each.deployment_name}`}
                    </span>
                  </td>
                  <td title={each.queue}>{each.queue}</td>
                  <td>
                    <Why pool={pool} waits={each} before={line.waiting[number - 1]} />
                  </td>
                  <td className="r">
                    <Counted since={each.due} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {all > line.waiting.length && (
        <p className="note line-more">
          {counted(all - line.waiting.length, "more run waits", "more runs wait")}
        </p>
      )}
    </section>
  );
}

function Why({ pool, waits, before }: { pool: string; waits: Waiting; before: Waiting | undefined }) {
  const [act, busy] = useAct();
  const queries = useQueryClient();
  const [reason] = waits.reasons;
  const again = () => void queries.invalidateQueries({ queryKey: ["work_pool", pool] });
  if (!reason)
    return waits.position === 1 || !before ? (
      <span>next to start</span>
    ) : (
      <span className="m">behind {before.name}</span>
    );
  const resume = {
    "pool-paused": () => changePool(pool, { is_paused: false }),
    "queue-paused": () => changeQueue(pool, waits.queue, { is_paused: false }),
  }[reason.code];
  return (
    <span className="line-reason">
      <span className="cut" title={waits.reasons.map((each) => each.text).join("\n")}>
        {shortly(reason)}
        {reason.holders.length > 0 && ", held by "}
        {reason.holders.slice(0, 3).map((holder, number) => (
          <span key={holder.id}>
            {number > 0 && ", "}
            <Link className="b" to={`/runs/${holder.id}`}>
              {holder.name}
            </Link>
          </span>
        ))}
        {reason.holders.length > 3 && ` and ${reason.holders.length - 3} more`}
      </span>
      {resume && (
        <Button
          small
          disabled={busy}
          onClick={() => void act("Not resumed", () => resume().finally(again), { done: "Resumed" })}
        >
          Resume
        </Button>
      )}
    </span>
  );
}

const LIMITS: Record<string, string> = {
  "queue-limit": "queue limit",
  "pool-limit": "pool limit",
  "deployment-limit": "deployment limit",
};

/** The reason in few words, without the names of the holders, which follow as links. */
function shortly({ code, text, holders }: Reason): string {
  const [, counts] = /\((\d+ of \d+)\)/.exec(text) ?? [];
  const limit = LIMITS[code];
  if (limit && counts) return `${limit} ${counts}`;
  return holders.length > 0 ? (text.split("; held by")[0] ?? text) : text;
}
