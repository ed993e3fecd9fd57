import { Link } from "@tanstack/react-router";
import type { Deployment, Pool } from "@/data/deployments";

const WORDS: Readonly<Record<string, [string, string]>> = {
  READY: ["k-completed", "ready"],
  NOT_READY: ["k-late", "no worker is online"],
  PAUSED: ["k-paused", "paused"],
};

/** The pool of a deployment, with whether it takes runs. */
export function PoolHealth({ deployment, pools }: { deployment: Deployment; pools: readonly Pool[] }) {
  const name = deployment.work_pool_name;
  if (!name) {
    const isServed = deployment.status === "READY";
    return <span className={isServed ? "" : "q"}>{isServed ? "served by a process" : "none"}</span>;
  }
  const pool = pools.find((each) => each.name === name);
  const [kind, words] = WORDS[pool?.is_paused ? "PAUSED" : (pool?.status ?? "")] ?? ["", "not known"];
  return (
    <span className="row gap1" title={`${name}: ${words}`}>
      <span className={`dot ${kind} ${kind === "k-late" ? "hollow" : ""}`} role="img" aria-label={words} />
      <Link className="cut" to={`/work-pools/${encodeURIComponent(name)}`}>
        {name}
      </Link>
      {deployment.work_queue_name && deployment.work_queue_name !== "default" && (
        <span className="q cut">{deployment.work_queue_name}</span>
      )}
    </span>
  );
}
