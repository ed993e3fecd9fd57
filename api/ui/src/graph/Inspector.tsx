/** What is selected, summed up: a group's counts, lengths, failures and places, or one task run. */

import { X } from "lucide-react";
import { Button } from "@/parts/Button";
import { SegmentedBar } from "@/parts/SegmentedBar";
import { StateBadge, StateGlyph } from "@/parts/StateGlyph";
import { counted, duration, figure } from "@/words/numbers";
import type { Group, RunModel } from "./model";
import type { Relations, Shape } from "./relations";
import type { Hit } from "./view";

const SHAPES: Readonly<Record<Shape, string>> = {
  item: "item by item",
  out: "one for all",
  in: "all for one",
  block: "in blocks",
  all: "",
  within: "sub-flow",
};
const BARS = 24;
const SHOWN = 3;

type Props = {
  model: RunModel;
  relations: Relations;
  selected: Hit;
  now: number;
  isUnfolded: boolean;
  onSelect: (hit: Hit | null) => void;
  onFold: (group: number) => void;
  onOpen: (row: number) => void;
};

export function Inspector(props: Props) {
  const { model, selected } = props;
  const group = model.groups[selected.group ?? -1];
  if (!group) return null;
  return (
    <aside className="insp" aria-label="What is selected">
      <section>
        <div className="row">
          <h3 className="cut" title={group.name}>
            {group.name}
          </h3>
          {group.rows.length > 1 && <span className="q">×{figure(group.rows.length)}</span>}
          <span className="push row">
            {group.rows.length > 1 && (
              <Button small quiet onClick={() => props.onFold(group.at)}>
                {props.isUnfolded ? "Fold" : "Unfold"}
              </Button>
            )}
            <Button small quiet icon label="Close" onClick={() => props.onSelect(null)}>
              <X className="i" />
            </Button>
          </span>
        </div>
        <SegmentedBar counts={group.counts} />
      </section>
      {selected.row !== undefined && <One {...props} row={selected.row} />}
      {group.rows.length > 1 && <Lengths model={model} group={group} />}
      <Failures {...props} group={group} />
      <Around {...props} group={group} />
      <Places model={model} group={group} now={props.now} />
      {group.rows.length > SHOWN && <Slowest {...props} group={group} />}
    </aside>
  );
}

function One({ model, row, now, onOpen }: Props & { row: number }) {
  const [type, name] = model.stateName(row);
  const took = model.took(row, now);
  const message = model.messages.get(row);
  return (
    <section>
      <div className="row">
        <StateBadge type={type} name={name} />
        <span className="b cut">{model.name(row)}</span>
        <span className="push">{Number.isNaN(took) ? "" : duration(took / 1000)}</span>
      </div>
      {message && <p className="t-failed sm wrap">{message}</p>}
      <div className="row insp-acts">
        {(model.tries[row] ?? 0) > 1 && (
          <span className="q sm">{counted(model.tries[row] ?? 0, "try", "tries")}</span>
        )}
        <Button small onClick={() => onOpen(row)}>
          Open task run
        </Button>
      </div>
    </section>
  );
}

function Lengths({ model, group }: { model: RunModel; group: Group }) {
  const lengths: number[] = [];
  for (const row of group.rows) {
    const took = (model.end[row] ?? NaN) - (model.start[row] ?? NaN);
    if (!Number.isNaN(took)) lengths.push(Math.max(0.5, took));
  }
  if (lengths.length < 2) return null;
  lengths.sort((a, b) => a - b);
  const at = (part: number) => lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * part))] ?? 0;
  const low = Math.log(lengths[0] ?? 1);
  const high = Math.max(low + 0.01, Math.log(lengths[lengths.length - 1] ?? 1));
  const bars = new Array<number>(BARS).fill(0);
  for (const each of lengths) {
    const place = Math.min(BARS - 1, Math.floor(((Math.log(each) - low) / (high - low)) * BARS));
    bars[place] = (bars[place] ?? 0) + 1;
  }
  const most = Math.max(...bars);
  const total = lengths.reduce((sum, each) => sum + each, 0);
  return (
    <section>
      <div className="lab2">
        <span>Duration, {figure(lengths.length)} that ended</span>
        <span>log scale</span>
      </div>
      <svg
        className="insp-hist"
        viewBox={`0 0 ${BARS * 10} 40`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Half took less than ${duration(at(0.5) / 1000)}`}
      >
        {bars.map((count, index) => (
          <rect
            key={index}
            className="f-completed"
            x={index * 10 + 0.5}
            width="9"
            y={40 - (38 * count) / most}
            height={Math.max(count ? 1 : 0, (38 * count) / most)}
          />
        ))}
      </svg>
      <div className="lab2">
        <span>{duration((lengths[0] ?? 0) / 1000)}</span>
        <span>{duration((lengths[lengths.length - 1] ?? 0) / 1000)}</span>
      </div>
      <div className="row sm insp-figures">
        <span>
          p50 <b className="b">{duration(at(0.5) / 1000)}</b>
        </span>
        <span>
          p95 <b className="b">{duration(at(0.95) / 1000)}</b>
        </span>
        <span>
          all <b className="b">{duration(total / 1000)}</b>
        </span>
      </div>
    </section>
  );
}

function Failures({ model, group, onSelect }: Props & { group: Group }) {
  const causes = new Map<string, number[]>();
  for (const row of group.rows) {
    const kind = model.kind(row);
    if (kind !== "failed" && kind !== "crashed") continue;
    const cause = (model.messages.get(row) ?? model.stateName(row)[1]).replace(/\d+/g, "…");
    causes.set(cause, [...(causes.get(cause) ?? []), row]);
  }
  if (causes.size === 0) return null;
  return (
    <section>
      <div className="lab2">
        <span>Failures by cause</span>
        <span>{counted(causes.size, "kind")}</span>
      </div>
      {[...causes].slice(0, 6).map(([cause, rows]) => (
        <div key={cause}>
          <div className="errg">
            <b>{figure(rows.length)}</b>
            <code className="cut" title={model.messages.get(rows[0] ?? 0)}>
              {model.messages.get(rows[0] ?? 0) ?? cause}
            </code>
          </div>
          <div className="chips insp-chips">
            {rows.slice(0, 6).map((row) => (
              <button
                key={row}
                type="button"
                className="chip"
                onClick={() => onSelect({ group: group.at, row })}
              >
                <StateGlyph type={model.stateName(row)[0]} name={model.stateName(row)[1]} label={false} />{" "}
                {model.index[row]}
              </button>
            ))}
          </div>
        </div>
      ))}
    </section>
  );
}

function Around({ model, relations, group, onSelect }: Props & { group: Group }) {
  const { edges } = relations;
  const lines = [
    ...edges
      .filter((edge) => edge.to === group.at)
      .map((edge) => ({ word: "needs", other: edge.from, edge })),
    ...edges
      .filter((edge) => edge.from === group.at)
      .map((edge) => ({ word: "feeds", other: edge.to, edge })),
  ];
  if (lines.length === 0) return null;
  return (
    <section>
      <div className="lab2">Before and after</div>
      {lines.map(({ word, other, edge }) => (
        <div key={`${word}${other}`} className="insp-around">
          <span className="q">{word}</span>
          <button type="button" className="b cut" onClick={() => onSelect({ group: other })}>
            {model.groups[other]?.name}
          </button>
          <span className="q">{SHAPES[edge.shape]}</span>
        </div>
      ))}
    </section>
  );
}

function Places({ model, group, now }: { model: RunModel; group: Group; now: number }) {
  const busy = new Map<number, number>();
  const counts = new Map<number, number>();
  for (const row of group.rows) {
    const node = model.node[row] ?? -1;
    const took = model.took(row, now);
    if (node < 0 || Number.isNaN(took)) continue;
    busy.set(node, (busy.get(node) ?? 0) + took);
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  if (busy.size === 0) return null;
  const most = Math.max(...busy.values(), 1);
  return (
    <section>
      <div className="lab2">
        <span>Where it ran</span>
        <span>busy</span>
      </div>
      <div className="wherelist">
        {[...busy].slice(0, 12).map(([node, ms]) => (
          <div key={node} className="insp-where">
            <span className="cut">{model.nodes[node]}</span>
            <span className="meter" title={duration(ms / 1000)}>
              <i style={{ width: `${(100 * ms) / most}%` }} />
            </span>
            <span className="r">{figure(counts.get(node) ?? 0)}</span>
          </div>
        ))}
      </div>
    </section>
  );
}

function Slowest({ model, group, now, onSelect }: Props & { group: Group }) {
  const slow = group.rows
    .filter((row) => !Number.isNaN(model.took(row, now)))
    .sort((a, b) => model.took(b, now) - model.took(a, now))
    .slice(0, SHOWN);
  if (slow.length === 0) return null;
  return (
    <section>
      <div className="lab2">Slowest</div>
      {slow.map((row) => (
        <button
          key={row}
          type="button"
          className="insp-slow"
          onClick={() => onSelect({ group: group.at, row })}
        >
          <code>[{model.index[row]}]</code>
          <span className="q cut">{model.nodes[model.node[row] ?? -1] ?? ""}</span>
          <span>{duration(model.took(row, now) / 1000)}</span>
        </button>
      ))}
    </section>
  );
}
