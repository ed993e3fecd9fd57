/** The right of a pool's page: how to start a worker, what the pool is, who sends runs. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { clusterBriefQuery, totalsOf } from "@/data/cluster";
import { type Pool, sendersQuery } from "@/data/pools";
import { useNames } from "@/data/names";
import { Pairs } from "@/parts/page";
import { Ago, Time } from "@/parts/Time";
import { StateBadge } from "@/parts/StateGlyph";
import { bytes, counted } from "@/words/numbers";
import { StartCommand } from "./StartCommand";
import { variablesOf } from "./template";

export function PoolSide({ pool, taken }: { pool: Pool; taken: number }) {
  const edit = `/work-pools/${encodeURIComponent(pool.name)}/edit`;
  const limit = pool.concurrency_limit;
  return (
    <aside className="rail" aria-label={`About ${pool.name}`}>
      <section>
        {pool.type === "ray" ? (
          <OnRay pool={pool.name} />
        ) : (
          <StartCommand pool={pool.name} type={pool.type} />
        )}
      </section>
      <section>
        <div className="lab2">
          <span>Pool</span>
          <Link className="link" to={edit}>
            Edit
          </Link>
        </div>
        <Pairs
          rows={[
            ["Type", pool.type],
            ["Limit", limit === null ? `none, ${taken} in use` : `${counted(limit, "run")}, ${taken} in use`],
            ...(pool.description ? [["About", pool.description] as const] : []),
            ["Made", <Time key="made" at={pool.created} />],
            ["Changed", <Time key="changed" at={pool.updated} />],
          ]}
        />
      </section>
      <Variables pool={pool} edit={edit} />
      <Senders pool={pool.name} />
    </aside>
  );
}

function Variables({ pool, edit }: { pool: Pool; edit: string }) {
  const properties = Object.entries(
    (variablesOf(pool.base_job_template)["properties"] ?? {}) as Record<string, unknown>,
  );
  if (properties.length === 0) return null;
  const shown = properties.map(([name, each]) => {
    const value = (each as { default?: unknown }).default;
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    return [
      <code key={name}>{name}</code>,
      text ? (
        <code key="value" title={text}>
          {text}
        </code>
      ) : (
        <span className="q">not set</span>
      ),
    ] as const;
  });
  return (
    <section>
      <div className="lab2">
        <span>Base job template</span>
        <Link className="link" to={edit}>
          Edit
        </Link>
      </div>
      <Pairs rows={shown} />
    </section>
  );
}

function Senders({ pool }: { pool: string }) {
  const senders = useQuery(sendersQuery(pool)).data;
  const names = useNames(
    "flows",
    (senders ?? []).map((each) => each.flow_id),
  );
  if (!senders) return null;
  return (
    <section>
      <div className="lab2">
        <span>Deployments that send runs here</span>
        <span>{senders.length || "none"}</span>
      </div>
      {senders.slice(0, 12).map((each) => (
        <div key={each.id} className="row sm">
          <Link className="b grow cut" to={`/deployments/${each.id}`} title={each.name}>
            {names.get(each.flow_id) ? `${names.get(each.flow_id)} / ${each.name}` : each.name}
          </Link>
          {each.paused && <StateBadge type="PAUSED" name="Paused" />}
          <span className="q">{each.work_queue_name}</span>
        </div>
      ))}
    </section>
  );
}

/** For pools of type `ray`: what is free, and which supervisors carry the runs. */
function OnRay({ pool }: { pool: string }) {
  const cluster = useQuery(clusterBriefQuery).data;
  const picture = cluster?.picture;
  if (!cluster || !picture)
    return (
      <>
        <h3>Ray</h3>
        <p className="note">{cluster ? "No server has seen Ray yet. Runs wait until one does." : "…"}</p>
      </>
    );
  const totals = totalsOf(picture.nodes);
  const mine = picture.supervisors.filter((each) => each.name.startsWith(`supervisor:${pool}:`));
  const busy = mine.filter((each) => each.active > 0).length;
  return (
    <>
      <div className="row">
        <h3 className="grow">Ray</h3>
        {cluster.is_up ? (
          <StateBadge type="COMPLETED" name="Connected" />
        ) : (
          <span className="note">
            away
            {cluster.seen && (
              <>
                , as of <Ago at={cluster.seen} />
              </>
            )}
          </span>
        )}
      </div>
      <Pairs
        rows={[
          ["Free CPUs", `${free(totals.cpus, totals.cpus_used)} of ${totals.cpus}`],
          ...(totals.gpus > 0
            ? [["Free GPUs", `${free(totals.gpus, totals.gpus_used)} of ${totals.gpus}`] as const]
            : []),
          [
            "Free memory",
            `${bytes(Math.max(0, totals.memory - totals.memory_used))} of ${bytes(totals.memory)}`,
          ],
          ["Supervisors", mine.length === 0 ? "none yet" : `${busy} busy, ${mine.length - busy} warm`],
        ]}
      />
      <p className="note">
        Heliostat starts the runs itself: no worker is needed.{" "}
        <Link className="link" to="/cluster">
          The whole cluster
        </Link>
      </p>
    </>
  );
}

const free = (all: number, used: number) => Math.round(10 * Math.max(0, all - used)) / 10;
