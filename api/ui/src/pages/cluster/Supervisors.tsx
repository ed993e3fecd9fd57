/** The processes that carry runs, and the control actors that look after them. */

import { Link } from "@tanstack/react-router";
import type { ClusterRun, ControlActor, Picture, Supervisor } from "@/data/cluster";
import { useNow } from "@/data/now";
import { SectionHead } from "@/parts/page";
import { StateBadge } from "@/parts/StateGlyph";
import { age, bytes, counted } from "@/words/numbers";

/** "supervisor:hall:pooled:3-ab12cd" → pool "hall", name "3-ab12cd". */
export function namesOf(supervisor: Supervisor): { pool: string; name: string } {
  const parts = supervisor.name.split(":");
  return { pool: parts.slice(1, -2).join(":"), name: parts.at(-1) ?? supervisor.name };
}

export function Supervisors({
  picture,
  runs,
  isUp,
}: {
  picture: Picture;
  runs: readonly ClusterRun[];
  isUp: boolean;
}) {
  const known = new Map(runs.map((run) => [run.id, run]));
  const busy = picture.supervisors.filter((each) => each.active > 0).length;
  const sorted = [...picture.supervisors].sort((one, other) => other.active - one.active);
  const word = sorted.length ? `${busy} busy, ${sorted.length - busy} warm` : "none";
  return (
    <section aria-label="Supervisors">
      <SectionHead title="Supervisors" count={word}>
        each commit renews the lease
      </SectionHead>
      {sorted.length > 0 && (
        <div className="tbl-wrap">
          <table className="tbl flat">
            <colgroup>
              <col style={{ width: 108 }} />
              <col style={{ width: 118 }} />
              <col />
              <col className="n-hide" style={{ width: 92 }} />
              <col style={{ width: 58 }} />
              <col style={{ width: 72 }} />
              <col className="n-hide" style={{ width: 76 }} />
              <col className="n-hide" style={{ width: 78 }} />
            </colgroup>
            <thead>
              <tr>
                <th>State</th>
                <th>Name</th>
                <th>Run</th>
                <th className="n-hide">Node</th>
                <th className="r">Epoch</th>
                <th className="r">Lease</th>
                <th className="r n-hide">Memory</th>
                <th className="r n-hide">Did</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((each) => (
                <Row key={each.name} supervisor={each} known={known} isUp={isUp} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {sorted.length === 0 && (
        <p className="note line-more">None has been started yet: the first run starts one.</p>
      )}
    </section>
  );
}

type RowProps = { supervisor: Supervisor; known: ReadonlyMap<string, ClusterRun>; isUp: boolean };

function Row({ supervisor, known, isUp }: RowProps) {
  const { pool, name } = namesOf(supervisor);
  const [first] = supervisor.run_ids;
  const run = first === undefined ? undefined : known.get(first);
  const tookOver = (run?.epoch ?? 1) > 1;
  const busy = supervisor.active > 0;
  return (
    <tr>
      <td>
        {busy ? (
          <StateBadge type="RUNNING" name={tookOver ? "Took over" : "Busy"} />
        ) : (
          <StateBadge type={isUp ? "COMPLETED" : "SCHEDULED"} name="Warm" />
        )}
      </td>
      <td className="name" title={`${supervisor.name}, process ${supervisor.pid}`}>
        {name}
      </td>
      <td>
        {run ? (
          <>
            <Link className="b" to={`/runs/${run.id}`} title={run.name}>
              {run.name}
            </Link>{" "}
            <span className="q">{run.flow_name}</span>
            {supervisor.run_ids.length > 1 && (
              <span className="q"> and {supervisor.run_ids.length - 1} more</span>
            )}
          </>
        ) : (
          <span className="q">{busy ? "…" : `ready for the next run of ${pool}`}</span>
        )}
      </td>
      <td className="q n-hide" title={supervisor.node}>
        {supervisor.node}
      </td>
      <td className="r">{run?.epoch}</td>
      <td className="r">{run?.lease_until && <Lease until={run.lease_until} />}</td>
      <td className="r n-hide">{supervisor.memory_bytes > 0 && bytes(supervisor.memory_bytes)}</td>
      <td className="r q n-hide">{counted(supervisor.runs, "run")}</td>
    </tr>
  );
}

function Lease({ until }: { until: string }) {
  const now = useNow();
  const left = (Date.parse(until) - now) / 1000;
  return (
    <span className={left <= 0 ? "t-late" : undefined} title={`until ${until}`}>
      {left <= 0 ? "lapsed" : `${Math.ceil(left)} s`}
    </span>
  );
}

export function ControlActors({ picture, isUp }: { picture: Picture; isUp: boolean }) {
  const now = useNow();
  return (
    <section aria-label="Control actors">
      <SectionHead title="Control actors" count={picture.actors.length} />
      <table className="tbl flat">
        <colgroup>
          <col style={{ width: 112 }} />
          <col style={{ width: 128 }} />
          <col />
          <col style={{ width: 62 }} />
        </colgroup>
        <thead>
          <tr>
            <th>State</th>
            <th>Name</th>
            <th>Does</th>
            <th className="r">Up</th>
          </tr>
        </thead>
        <tbody>
          {picture.actors.map((actor) => (
            <tr key={actor.name}>
              <td>
                {!isUp ? (
                  <StateBadge type="SCHEDULED" name="Not known" />
                ) : actor.state === "alive" ? (
                  <StateBadge type="COMPLETED" name="Up" />
                ) : (
                  <StateBadge type="RUNNING" name="Retrying" />
                )}
              </td>
              <td className="name" title={`${actor.name}, process ${actor.pid ?? "not told"}`}>
                {actor.name.replace("control:", "")}
              </td>
              <td className="m">{doing(actor, picture)}</td>
              <td className="r q">{actor.started && isUp && age(now / 1000 - actor.started)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function doing(actor: ControlActor, picture: Picture): string {
  const restarts = actor.restarts > 0 ? `, restarted ${counted(actor.restarts, "time")}` : "";
  const pool = actor.name.split("control:pool:")[1];
  if (pool === undefined) return `commits what runs record${restarts}`;
  const mine = picture.supervisors.filter((each) => namesOf(each).pool === pool);
  const runs = mine.reduce((sum, each) => sum + each.active, 0);
  return `${counted(runs, "run")}, ${counted(mine.length, "supervisor")}${restarts}`;
}
