/** The cluster in few words, at the foot of the navigation; nothing while none is known. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { clusterBriefQuery, totalsOf } from "@/data/cluster";
import { counted } from "@/words/numbers";

export function ClusterFoot() {
  const cluster = useQuery(clusterBriefQuery).data;
  if (!cluster?.picture) return null;
  const { nodes } = cluster.picture;
  if (!cluster.is_up)
    return (
      <Link to="/cluster" className="foot-ray" title={cluster.problem ?? "Ray is away"}>
        <span className="row">
          <span className="grow">Ray is away</span>
          <span className="dot hollow foot-late" />
        </span>
      </Link>
    );
  const totals = totalsOf(nodes);
  const withGpus = nodes.filter((node) => node.gpus > 0).length;
  return (
    <Link to="/cluster" className="foot-ray" title={`Ray: ${counted(nodes.length, "node")}`}>
      <Row name={counted(nodes.length, "node")} used={totals.cpus_used} total={totals.cpus} what="CPU" />
      {withGpus > 0 && (
        <Row name={`${withGpus} with GPUs`} used={totals.gpus_used} total={totals.gpus} what="GPU" />
      )}
    </Link>
  );
}

function Row({ name, used, total, what }: { name: string; used: number; total: number; what: string }) {
  const part = total > 0 ? Math.min(1, used / total) : 0;
  const shown = Math.round(used * 10) / 10;
  return (
    <>
      <span className="row">
        <span className="grow cut">{name}</span>
        <span>
          {shown} of {total} {what}
        </span>
      </span>
      <span className="meter" aria-hidden>
        <i style={{ width: `${100 * part}%` }} />
      </span>
    </>
  );
}

/** Teal while Ray answers, orange while it is away, nothing where there is none. */
export function HealthDot() {
  const cluster = useQuery(clusterBriefQuery).data;
  if (!cluster?.picture) return null;
  const word = cluster.is_up ? "Ray answers" : "Ray is away";
  return (
    <span className={cluster.is_up ? "dot" : "dot foot-late"} role="img" aria-label={word} title={word} />
  );
}
