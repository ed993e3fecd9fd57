/** Who holds the slots of a limit, with the way to take one back, and who waits in which order. */

import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Holder, type Limit, limitsQuery, releaseLease } from "@/data/limits";
import { Button } from "@/parts/Button";
import { ConfirmDestroy } from "@/parts/overlays";
import { Counted, Time } from "@/parts/Time";
import { counted } from "@/words/numbers";

const KINDS: Record<string, string> = {
  flow_run: "flow run",
  task_run: "task run",
  deployment: "deployment",
};

export const nameOf = (holder: Holder) => holder.name ?? holder.flow_run_name ?? "somebody";

/** The holder as a link to its page, with its flow run where it is a task run. */
export function Who({ holder }: { holder: Holder }) {
  const name = nameOf(holder);
  const to =
    holder.kind === "task_run"
      ? holder.name && `/task-runs/${holder.id ?? ""}`
      : holder.kind === "flow_run"
        ? `/runs/${holder.id ?? ""}`
        : holder.kind === "deployment" && `/deployments/${holder.id ?? ""}`;
  return (
    <>
      {to ? (
        <Link className="b" to={to} title={name}>
          {name}
        </Link>
      ) : (
        <span className="b">{name}</span>
      )}{" "}
      {holder.kind === "task_run" && holder.flow_run_id && (
        <span className="q">
          of <Link to={`/runs/${holder.flow_run_id}`}>{holder.flow_run_name ?? "its run"}</Link>
        </span>
      )}
    </>
  );
}

export function Holders({ limit }: { limit: Limit }) {
  const [freed, setFreed] = useState<Holder | null>(null);
  const queries = useQueryClient();
  const told = limit.holders.reduce((sum, holder) => sum + holder.slots, 0);
  const untold = Math.max(0, Math.ceil(limit.active_slots) - told);
  return (
    <div className="lim-body">
      <table className="tbl flat" aria-label={`Holders of ${limit.name}`}>
        <colgroup>
          <col />
          <col style={{ width: 110 }} />
          <col className="n-hide" style={{ width: 110 }} />
          <col className="n-hide" style={{ width: 150 }} />
          <col style={{ width: 110 }} />
        </colgroup>
        <thead>
          <tr>
            <th>Held by</th>
            <th className="r">Slots</th>
            <th className="r n-hide">For</th>
            <th className="r n-hide">Lease until</th>
            <th className="r">
              <span className="sr">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {limit.holders.map((holder, number) => (
            <tr key={holder.lease_id ?? holder.id ?? number}>
              <td>
                <Who holder={holder} />{" "}
                <span className="q">{KINDS[holder.kind ?? ""] ?? "client without a name"}</span>
              </td>
              <td className="r">{holder.slots}</td>
              <td className="r n-hide">{holder.since && <Counted since={holder.since} />}</td>
              <td className="r q n-hide">{holder.until ? <Time at={holder.until} /> : "while it runs"}</td>
              <td className="r">
                {holder.lease_id && (
                  <Button small label={`Release ${nameOf(holder)}`} onClick={() => setFreed(holder)}>
                    Release
                  </Button>
                )}
              </td>
            </tr>
          ))}
          {untold > 0 && (
            <tr>
              <td className="q" colSpan={5}>
                {counted(untold, "slot")} taken without a lease: who has {untold === 1 ? "it" : "them"} is not
                told
              </td>
            </tr>
          )}
          {limit.holders.length === 0 && untold === 0 && (
            <tr>
              <td className="q" colSpan={5}>
                nobody holds a slot
              </td>
            </tr>
          )}
        </tbody>
      </table>
      {limit.waiting.length > 0 && (
        <table className="tbl flat" aria-label={`Waiting for ${limit.name}`}>
          <colgroup>
            <col style={{ width: 46 }} />
            <col />
            <col style={{ width: 110 }} />
          </colgroup>
          <thead>
            <tr>
              <th className="r">Place</th>
              <th>Waits</th>
              <th className="r">For</th>
            </tr>
          </thead>
          <tbody>
            {limit.waiting.map((holder, number) => (
              <tr key={holder.lease_id ?? number}>
                <td className="r q">{number + 1}</td>
                <td>
                  <Who holder={holder} />
                </td>
                <td className="r">{holder.since && <Counted since={holder.since} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <ConfirmDestroy
        open={freed !== null}
        title={`Release ${freed ? nameOf(freed) : ""} from ${limit.name}?`}
        losses={[
          `It loses ${counted(freed?.slots ?? 1, "slot")}, and goes on: more than ${limit.limit} may be at work for a while.`,
          "Who waits first gets what is free.",
        ]}
        verb={`Release ${freed ? nameOf(freed) : ""}`}
        onClose={() => setFreed(null)}
        act={async () => {
          if (freed?.lease_id) await releaseLease(freed.lease_id);
          await queries.invalidateQueries({ queryKey: limitsQuery.queryKey });
        }}
      />
    </div>
  );
}
