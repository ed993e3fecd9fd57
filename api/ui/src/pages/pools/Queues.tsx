/** The queues of a pool by priority: places, waiting runs, pause; order, limit and name can be changed. */

import { ArrowDown, ArrowUp, ArrowUpNarrowWide, Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { changeQueue, deleteQueue, type Line, type Queue } from "@/data/pools";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Cells } from "@/parts/Cells";
import { Switch } from "@/parts/choosing";
import { ConfirmDestroy } from "@/parts/overlays";
import { SectionHead } from "@/parts/page";
import { Counted } from "@/parts/Time";
import { count, counted, percent } from "@/words/numbers";
import { QueueDialog } from "./QueueDialog";

const OLD_S = 600; // a queue whose first run has waited for so long wants a look

export function Queues({ pool, defaultId, line }: { pool: string; defaultId: string; line: Line }) {
  const [open, setOpen] = useState<Queue | null>(null);
  const [doomed, setDoomed] = useState<Queue | null>(null);
  const [act, busy] = useAct();
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ["work_pool", pool] });
  const change = (queue: Queue, changes: Record<string, unknown>, failed: string, done: string) =>
    void act(failed, () => changeQueue(pool, queue.name, changes).finally(() => void again()), { done });
  const begun = line.queues.reduce((sum, queue) => sum + queue.begun_1h, 0);
  const swap = (queue: Queue, other: Queue | undefined) => {
    if (other)
      change(
        queue,
        { priority: other.priority },
        "Not moved",
        `${queue.name} has priority ${other.priority}`,
      );
  };
  return (
    <section aria-label="Queues" className="bt">
      <SectionHead title="Queues" count={line.queues.length}>
        the smaller the number, the more urgent
      </SectionHead>
      <div className="tbl-wrap">
        <table className="tbl">
          <colgroup>
            <col style={{ width: 52 }} />
            <col />
            <col style={{ width: 132 }} />
            <col style={{ width: 78 }} />
            <col style={{ width: 74 }} />
            <col style={{ width: 84 }} />
            <col className="n-hide" style={{ width: 74 }} />
            <col style={{ width: 150 }} />
            <col style={{ width: 64 }} />
          </colgroup>
          <thead>
            <tr>
              <th className="r">
                <ArrowUpNarrowWide className="i" aria-label="Priority" />
              </th>
              <th>Queue</th>
              <th>Places</th>
              <th className="r">
                <span className="sr">Taken</span>
              </th>
              <th className="r">Waiting</th>
              <th className="r">Oldest</th>
              <th className="r n-hide">Share, 1 h</th>
              <th className="r">
                <span className="sr">Actions</span>
              </th>
              <th className="r">
                <span className="sr">Open</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {line.queues.map((queue, number) => (
              <tr key={queue.id}>
                <td className="r q">{queue.priority}</td>
                <td className="name" title={queue.description || queue.name}>
                  {queue.name}
                </td>
                <td>
                  <Cells taken={queue.taken} total={queue.concurrency_limit} label={placesOf(queue)} />
                </td>
                <td className="r">
                  {queue.taken}{" "}
                  <span className="q">
                    {queue.concurrency_limit === null ? "" : `of ${queue.concurrency_limit}`}
                  </span>
                </td>
                <td className={queue.waiting ? "r" : "r q"}>{count(queue.waiting)}</td>
                <td className="r q">{queue.oldest && <Counted since={queue.oldest} lateAfter={OLD_S} />}</td>
                <td className="r q n-hide">{percent(queue.begun_1h, begun)}</td>
                <td className="r">
                  <Button
                    quiet
                    small
                    icon
                    label={`Make ${queue.name} more urgent`}
                    disabled={busy || number === 0}
                    onClick={() => swap(queue, line.queues[number - 1])}
                  >
                    <ArrowUp className="i s" />
                  </Button>
                  <Button
                    quiet
                    small
                    icon
                    label={`Make ${queue.name} less urgent`}
                    disabled={busy || number === line.queues.length - 1}
                    onClick={() => {
                      const next = line.queues[number + 1];
                      if (next) swap(next, queue);
                    }}
                  >
                    <ArrowDown className="i s" />
                  </Button>
                  <Button
                    quiet
                    small
                    icon
                    label={`Change queue ${queue.name}`}
                    onClick={() => setOpen(queue)}
                  >
                    <Pencil className="i s" />
                  </Button>
                  {queue.id !== defaultId && (
                    <Button
                      quiet
                      small
                      icon
                      label={`Delete queue ${queue.name}`}
                      onClick={() => setDoomed(queue)}
                    >
                      <Trash2 className="i s" />
                    </Button>
                  )}
                </td>
                <td className="r">
                  <Switch
                    on={!queue.is_paused}
                    label={`Queue ${queue.name} gives out runs`}
                    disabled={busy}
                    onChange={(on) =>
                      change(
                        queue,
                        { is_paused: !on },
                        on ? "Not resumed" : "Not paused",
                        `Queue ${queue.name} is ${on ? "resumed" : "paused"}`,
                      )
                    }
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {open && <QueueDialog pool={pool} queue={open} onClose={() => setOpen(null)} />}
      <ConfirmDestroy
        open={doomed !== null}
        title={`Delete queue ${doomed?.name ?? ""}?`}
        losses={[
          "Its priority, limit and pause are lost.",
          `${doomed ? counted(doomed.waiting, "waiting run") : "Waiting runs"} and its deployments move to the pool's default queue.`,
        ]}
        verb={`Delete queue ${doomed?.name ?? ""}`}
        command={`heliostat work-queue delete ${doomed?.name ?? ""} --pool ${pool} --dry-run`}
        onClose={() => setDoomed(null)}
        act={async () => {
          if (doomed) await deleteQueue(pool, doomed.name);
          await again();
        }}
      />
    </section>
  );
}

const placesOf = (queue: Queue) =>
  queue.concurrency_limit === null
    ? `${counted(queue.taken, "run")}, no limit`
    : `${queue.taken} of ${queue.concurrency_limit} places taken`;
