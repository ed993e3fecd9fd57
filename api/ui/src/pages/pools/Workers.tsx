/** The workers of a pool by their heartbeats. */

import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { forgetWorker, type Lanes, lanesQuery, type Worker, workersQuery } from "@/data/pools";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { Ago, Time } from "@/parts/Time";
import { counted } from "@/words/numbers";

export function Workers({ pool }: { pool: string }) {
  const query = useQuery(workersQuery(pool));
  const lanes = useQuery(lanesQuery(pool, 30)).data;
  const [act] = useAct();
  const forget = (worker: Worker) =>
    void act("Not forgotten", () => forgetWorker(pool, worker.name).finally(() => void query.refetch()), {
      done: `${worker.name} is forgotten`,
    });
  return (
    <section aria-label="Workers" className="bt">
      <SectionHead title="Workers" count={query.data?.length ?? ""} />
      <Loaded query={query} what="The list of workers" rows={2}>
        {(workers) =>
          workers.length === 0 ? (
            <p className="note line-more">None has been heard of yet. The command at the right starts one.</p>
          ) : (
            <div className="tbl-wrap">
              <table className="tbl flat">
                <colgroup>
                  <col style={{ width: 118 }} />
                  <col />
                  <col className="n-hide" style={{ width: 150 }} />
                  <col style={{ width: 100 }} />
                  <col className="n-hide" style={{ width: 130 }} />
                  <col style={{ width: 56 }} />
                </colgroup>
                <thead className="sr">
                  <tr>
                    <th>State</th>
                    <th>Name</th>
                    <th>Runs</th>
                    <th>Heard</th>
                    <th>First heard</th>
                    <th>Actions</th>
                  </tr>
                </thead>
                <tbody>
                  {workers.map((worker) => (
                    <tr key={worker.id}>
                      <td>
                        <StateBadge
                          type={worker.status === "ONLINE" ? "COMPLETED" : "CRASHED"}
                          name={worker.status === "ONLINE" ? "Online" : "Gone"}
                        />
                      </td>
                      <td className="name" title={worker.name}>
                        {worker.name}
                      </td>
                      <td className="q n-hide">{busyOn(worker, lanes)}</td>
                      <td className="r">
                        <Ago at={worker.last_heartbeat_time} />
                      </td>
                      <td className="r q n-hide">
                        since <Time at={worker.created} />
                      </td>
                      <td className="r">
                        <Button
                          quiet
                          small
                          icon
                          label={`Forget worker ${worker.name}`}
                          onClick={() => forget(worker)}
                        >
                          <Trash2 className="i s" />
                        </Button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
    </section>
  );
}

/** Runs under way on the worker's machine, where its name begins with that of a machine. */
function busyOn(worker: Worker, lanes: Lanes | undefined): string {
  const there = lanes?.runs.filter((run) => run.place && run.end === null && worker.name.includes(run.place));
  return there?.length ? `${counted(there.length, "run")} on its machine` : "";
}
