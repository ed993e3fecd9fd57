/** The nodes: a cell a CPU, coloured by the run that holds it; memory and object store. */

import { Link } from "@tanstack/react-router";
import { type ClusterNode, type ClusterRun, type News } from "@/data/cluster";
import { useNow } from "@/data/now";
import { SectionHead } from "@/parts/page";
import { age, bytes, counted, percent } from "@/words/numbers";
import { type Cell, cellsOf, huesOf } from "./hues";

const NEARLY_FULL = 0.9;
const MOST_CELLS = 256;
const ONE_LINE = 64;

type Props = { nodes: readonly ClusterNode[]; runs: readonly ClusterRun[]; news: readonly News[] };

export function Nodes({ nodes, runs, news }: Props) {
  const hues = huesOf(runs, nodes);
  const named = new Map(runs.map((run) => [run.id, run]));
  const other = nodes.some((node) => cellsOf(node, "cpus").some((cell) => cell.kind === "other"));
  return (
    <section aria-label="Nodes">
      <SectionHead title="Nodes" count={nodes.length}>
        <span className="hue-legend">
          {[...hues].map(([id, hue]) => (
            <span key={id} className="row gap1">
              <i className={`sw u-${hue}`} />
              <Link className="b" to={`/runs/${id}`}>
                {named.get(id)?.name}
              </Link>
              <span className="q">{named.get(id)?.flow_name}</span>
            </span>
          ))}
          {other && (
            <span
              className="row gap1"
              title="Work on Ray that is not told apart by run: short calls, or not of Heliostat"
            >
              <i className="sw u-other" /> other work
            </span>
          )}
          <span className="row gap1">
            <i className="sw u-free" /> free
          </span>
        </span>
      </SectionHead>
      {nodes.map((node) => (
        <Node key={node.id} node={node} hues={hues} named={named} news={news} />
      ))}
    </section>
  );
}

type NodeProps = {
  node: ClusterNode;
  hues: ReadonlyMap<string, number>;
  named: ReadonlyMap<string, ClusterRun>;
  news: readonly News[];
};

function Node({ node, hues, named, news }: NodeProps) {
  const now = useNow();
  const trouble = news.find((each) => each.name === node.name && each.kind === "node-lost");
  const spills = node.spilled > 0;
  const about = [node.is_head ? "head" : "", node.accelerator?.toLowerCase() ?? ""]
    .filter(Boolean)
    .join(", ");
  return (
    <div className="node">
      <div className="nn">
        <span className="row">
          <span
            className="dot"
            style={trouble || spills ? ({ "--c": "var(--late)" } as React.CSSProperties) : undefined}
          />
          <b className="bb cut" title={node.name}>
            {node.name}
          </b>
          <span className="q">{about}</span>
        </span>
        <span className="q sm" title={`Node ${node.id}`}>
          {node.address}
          {node.started && `, up ${age(now / 1000 - node.started)}`}
        </span>
      </div>
      <div className="cc">
        <Cores node={node} what="cpus" hues={hues} named={named} />
        {node.gpus > 0 && <Cores node={node} what="gpus" hues={hues} named={named} />}
        {node.cpus === 0 && node.gpus === 0 && <span className="q sm">gives no CPUs to tasks</span>}
      </div>
      <div className="mm">
        <Share
          name="CPU"
          used={node.cpus_used}
          total={node.cpus}
          shown={(value) => String(Math.round(value * 10) / 10)}
          calm
        />
        {node.gpus > 0 && (
          <Share
            name="GPU"
            used={node.gpus_used}
            total={node.gpus}
            shown={(value) => String(Math.round(value * 10) / 10)}
            calm
          />
        )}
        <Share
          name={node.memory_used === null ? "Set aside" : "Memory"}
          used={node.memory_used ?? node.memory_set_aside}
          total={node.memory}
          shown={bytes}
        />
        <Share name="Store" used={node.store_used} total={node.store} shown={bytes} />
      </div>
      <div className={trouble || spills ? "ww sm t-late" : "ww sm q"}>
        {spills
          ? `spilled ${bytes(node.spilled)} to disk so far`
          : trouble
            ? `was lost ${age(now / 1000 - trouble.at)} ago`
            : ""}
      </div>
    </div>
  );
}

type CoresProps = {
  node: ClusterNode;
  what: "cpus" | "gpus";
  hues: ReadonlyMap<string, number>;
  named: ReadonlyMap<string, ClusterRun>;
};

function Cores({ node, what, hues, named }: CoresProps) {
  const cells = cellsOf(node, what);
  if (cells.length === 0) return null;
  const label = `${labelOf(cells, named)} of ${counted(cells.length, what === "cpus" ? "CPU" : "GPU")}`;
  // On one line while the cells can still be told apart.
  const widest = what === "gpus" ? 46 : 10;
  const tracks =
    cells.length <= ONE_LINE
      ? { gridTemplateColumns: `repeat(${cells.length}, minmax(0, ${widest}px))` }
      : undefined;
  return (
    <span
      className={what === "gpus" ? "cpus gpus" : "cpus"}
      role="img"
      aria-label={label}
      title={label}
      style={tracks}
    >
      {cells.slice(0, MOST_CELLS).map((cell, number) => (
        <i key={number} className={classOf(cell, hues)} />
      ))}
    </span>
  );
}

const classOf = (cell: Cell, hues: ReadonlyMap<string, number>) =>
  cell.kind === "run" ? `u-${hues.get(cell.id) ?? "other"}` : `u-${cell.kind}`;

/** "3 orders, 2 other work, 3 free" */
function labelOf(cells: readonly Cell[], named: ReadonlyMap<string, ClusterRun>): string {
  const counts = new Map<string, number>();
  for (const cell of cells) {
    const word =
      cell.kind === "run"
        ? (named.get(cell.id)?.name ?? cell.id)
        : cell.kind === "other"
          ? "other work"
          : "free";
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
}

type ShareProps = {
  name: string;
  used: number;
  total: number;
  shown: (value: number) => string;
  calm?: boolean;
};

export function Share({ name, used, total, shown, calm = false }: ShareProps) {
  const part = total > 0 ? Math.min(1, used / total) : 0;
  return (
    <>
      <span className="q">{name}</span>
      <span className="r">
        {shown(used)} of {shown(total)}
      </span>
      <span className="meter" role="img" aria-label={`${name}: ${percent(used, total) || "none"}`}>
        <i className={!calm && part >= NEARLY_FULL ? "hi" : undefined} style={{ width: `${100 * part}%` }} />
      </span>
    </>
  );
}
