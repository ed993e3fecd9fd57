/** The run graph: one model, three views, one selection, search and colour for all. */

import {
  type CSSProperties,
  type KeyboardEvent,
  useCallback,
  useDeferredValue,
  useMemo,
  useRef,
  useState,
} from "react";
import { useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import { useUrlStates } from "@/data/urlState";
import { Failure, Skeleton } from "@/parts/places";
import { counted, duration, figure } from "@/words/numbers";
import { KIND_ORDER, wordOf } from "@/words/states";
import { timeOfDay } from "@/words/times";
import { criticalPath } from "./criticalPath";
import { GraphBar } from "./GraphBar";
import { type CanvasHandle, GraphCanvas, type ViewName } from "./GraphCanvas";
import type { ColourBy } from "./ink";
import { Inspector } from "./Inspector";
import type { Group, RunModel } from "./model";
import { find } from "./search";
import { relate } from "./relations";
import { useLayout } from "./useLayout";
import { useModel } from "./useModel";
import type { Hit } from "./view";
import "./graph.css";

const VIEWS: readonly ViewName[] = ["timeline", "dependency", "radar"];
const COLOURS: readonly ColourBy[] = ["state", "duration", "node", "tries"];

type Props = {
  runId: string;
  onOpenTask: (id: string) => void;
  /** Seconds that runs of this kind usually take, for what is forecast. */
  usualSeconds?: number | null;
};

export default function RunGraph({ runId, onOpenTask, usualSeconds }: Props) {
  const { model, version, error, again } = useModel(runId);
  if (version === 0)
    return error ? <Failure what="The graph" error={error} retry={again} /> : <Skeleton rows={6} />;
  if (model.count === 0) return null;
  return (
    <Shown model={model} version={version} onOpenTask={onOpenTask} usualSeconds={usualSeconds ?? null} />
  );
}

function Shown({
  model,
  version,
  onOpenTask,
  usualSeconds,
}: {
  model: RunModel;
  version: number;
  onOpenTask: (id: string) => void;
  usualSeconds: number | null;
}) {
  const [words, setWords] = useUrlStates();
  const clock = useClock();
  const tick = useNow();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<CanvasHandle>(null);
  const input = useRef<HTMLInputElement>(null);
  const chosen = words["sel"];
  const selected = useMemo(() => chosenIn(model, chosen), [model, version, chosen]); // eslint-disable-line react-hooks/exhaustive-deps
  const setSelected = (hit: Hit | null) =>
    setWords({
      sel: !hit ? undefined : hit.row === undefined ? model.groups[hit.group ?? 0]?.key : model.id(hit.row),
    });
  const open = words["open"];
  const unfolded = useMemo(() => unfoldedIn(model, open), [model, version, open]); // eslint-disable-line react-hooks/exhaustive-deps
  const view = VIEWS.find((each) => each === words["view"]) ?? "timeline";
  const [needed, setNeeded] = useState<Partial<Record<ViewName, number>>>({});
  // It only grows: what stands below shall not jump up and down.
  const need = useCallback(
    (height: number | undefined) =>
      setNeeded((old) =>
        height === undefined || height <= (old[view] ?? 0) ? old : { ...old, [view]: height },
      ),
    [view],
  );
  const needs = needed[view];
  const colourBy = COLOURS.find((each) => each === words["colour"]) ?? "state";
  const showPath = words["path"] === true || words["path"] === "true";
  const query = String(words["find"] ?? "");
  const asked = useDeferredValue(query);

  const run = model.runs[0];
  const isLive = run !== undefined && run.end === null;
  const ended = run?.end ? Date.parse(run.end) - model.t0 : NaN;
  const now = isLive ? Math.max(tick - model.t0, lastMoment(model)) : Math.max(ended, lastMoment(model));
  const likelyEnd = isLive && usualSeconds !== null && usualSeconds * 1000 > now ? usualSeconds * 1000 : null;

  // The model changes in place: its version stands for it in what is remembered.
  const matches = useMemo(() => find(model, asked, now), [model, version, asked]); // eslint-disable-line react-hooks/exhaustive-deps
  const path = useMemo(() => (showPath ? criticalPath(model, now) : []), [model, version, showPath]); // eslint-disable-line react-hooks/exhaustive-deps
  const relations = useMemo(() => relate(model), [model, version]); // eslint-disable-line react-hooks/exhaustive-deps
  const layout = useLayout(model, relations);
  const found = useMemo(() => (matches === null ? null : new Set(matches)), [matches]);
  const foundGroups = useMemo(
    () => (found === null ? null : new Set([...found].map((row) => model.group[row] as number))),
    [model, found],
  );
  const pathPairs = useMemo(() => {
    const groups = path.map((row) => model.group[row] as number);
    return new Set(groups.slice(1).map((group, at) => `${groups[at]} ${group}`));
  }, [model, path]);
  const scene = useMemo(
    () => ({
      model,
      relations,
      layout,
      foundGroups,
      foundKey: found === null ? "" : `${asked} ${found.size}`,
      pathPairs,
      now,
      likelyEnd,
      isLive,
      colourBy,
      selected,
      found,
      path,
      unfolded,
      wall: (ms: number) => timeOfDay(new Date(model.t0 + ms), clock),
    }),
    [
      model,
      now,
      likelyEnd,
      isLive,
      colourBy,
      selected,
      found,
      foundGroups,
      pathPairs,
      relations,
      layout,
      asked,
      path,
      unfolded,
      clock,
    ],
  );

  const fold = (group: number) => {
    const next = new Set(unfolded);
    if (!next.delete(group)) next.add(group);
    const keys = [...next].map((each) => model.groups[each]?.key);
    setWords({ open: keys.length > 0 ? keys : undefined });
  };
  // Another view has other places: where the reader looked says nothing there.
  const setView = (next: ViewName) => {
    if (next !== view) setWords({ view: next === "timeline" ? undefined : next, look: undefined });
  };
  const choose = (row: number) => setSelected({ group: model.group[row] ?? 0, row });
  const step = (rows: readonly number[], by: number) => {
    if (rows.length === 0) return;
    const at = rows.indexOf(selected?.row ?? -1);
    const next = rows[(at + by + rows.length) % rows.length];
    if (next !== undefined) choose(next);
  };
  const failed = () => {
    const found: number[] = [];
    for (let row = 0; row < model.count; row += 1) {
      const kind = model.kind(row);
      if (kind === "failed" || kind === "crashed") found.push(row);
    }
    return found;
  };
  const walk = (key: string) => {
    const group = model.groups[selected?.group ?? 0] as Group;
    const row = selected?.row;
    if (key === "ArrowRight" || key === "ArrowLeft") {
      if (row === undefined) step(group.rows, 1);
      else {
        const [next] = key === "ArrowRight" ? model.below(row) : model.above(row);
        if (next !== undefined) choose(next);
      }
    } else if (row !== undefined) step(group.rows, key === "ArrowDown" ? 1 : -1);
    else {
      const at = (group.at + (key === "ArrowDown" ? 1 : -1) + model.groups.length) % model.groups.length;
      setSelected({ group: at });
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      "1": () => setView("timeline"),
      "2": () => setView("dependency"),
      "3": () => setView("radar"),
      "+": () => canvas.current?.zoomBy(1.5),
      "=": () => canvas.current?.zoomBy(1.5),
      "-": () => canvas.current?.zoomBy(1 / 1.5),
      "0": () => canvas.current?.fit(),
      f: () => input.current?.focus(),
      n: () => step(failed(), 1),
      e: () => selected?.group !== undefined && fold(selected.group),
      Escape: () => setSelected(selected?.row !== undefined ? { group: selected.group } : null),
      Enter: () => selected?.row !== undefined && onOpenTask(model.id(selected.row)),
      ArrowUp: () => walk("ArrowUp"),
      ArrowDown: () => walk("ArrowDown"),
      ArrowLeft: () => walk("ArrowLeft"),
      ArrowRight: () => walk("ArrowRight"),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  const tipOf = (hit: Hit): string[] => {
    if (hit.row === undefined) return groupInWords(model, hit.group ?? 0);
    const took = model.took(hit.row, now);
    const [type, name] = model.stateName(hit.row);
    const message = model.messages.get(hit.row);
    return [
      model.name(hit.row),
      [
        wordOf(type, name),
        Number.isNaN(took) ? "" : duration(took / 1000),
        model.nodes[model.node[hit.row] ?? -1] ?? "",
      ]
        .filter(Boolean)
        .join(", "),
      ...(message ? [message.slice(0, 120)] : []),
    ];
  };
  const said = selected
    ? tipOf(selected).join(", ")
    : `${figure(model.count)} task runs in ${counted(model.groups.length, "group")}`;
  return (
    <div ref={box} className="graph-box">
      <GraphBar
        view={view}
        setView={setView}
        colourBy={colourBy}
        setColourBy={(by) => setWords({ colour: by === "state" ? undefined : by })}
        path={showPath}
        setPath={(on) => setWords({ path: on ? true : undefined })}
        query={query}
        setQuery={(text) => setWords({ find: text || undefined })}
        found={matches === null ? null : matches.length}
        next={() => matches && step(matches, 1)}
        input={input}
        canvas={canvas}
        full={() =>
          void (document.fullscreenElement ? document.exitFullscreen() : box.current?.requestFullscreen())
        }
        name={run?.name ?? "graph"}
      />
      <div
        className={`graph v-${view}${selected ? " with-insp" : ""}`}
        style={{ "--needs": needs === undefined ? undefined : `${needs}px` } as CSSProperties}
      >
        <GraphCanvas
          key={view}
          scene={scene}
          view={view}
          version={version}
          tipOf={tipOf}
          onSelect={setSelected}
          onFold={fold}
          onOpen={(row) => onOpenTask(model.id(row))}
          onKey={onKey}
          look={typeof words["look"] === "string" ? words["look"] : undefined}
          onLook={(look) => setWords({ look })}
          onNeeds={need}
          label={`${view} of the run: ${said}. Arrow keys walk, Enter opens, N goes to the next failure.`}
          handle={canvas}
        />
        {selected && (
          <Inspector
            model={model}
            relations={relations}
            selected={selected}
            now={now}
            isUnfolded={unfolded.has(selected.group ?? -1)}
            onSelect={setSelected}
            onFold={fold}
            onOpen={(row) => onOpenTask(model.id(row))}
          />
        )}
      </div>
      <div id="graph-said" className="sr" aria-live="polite">
        {said}
      </div>
      <GroupsTable model={model} />
    </div>
  );
}

/** What the address names: a task run by its id, or a group by its key. Null while it is not there. */
function chosenIn(model: RunModel, word: unknown): Hit | null {
  if (typeof word !== "string" || word === "") return null;
  const group = model.groups.findIndex((each) => each.key === word);
  if (group >= 0) return { group };
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(word)) return null;
  const row = model.rowOfId(word.replaceAll("-", ""));
  return row === undefined ? null : { group: model.group[row] ?? 0, row };
}

function unfoldedIn(model: RunModel, word: unknown): ReadonlySet<number> {
  const keys = new Set(Array.isArray(word) ? word.map(String) : []);
  return new Set(model.groups.filter((each) => keys.has(each.key)).map((each) => each.at));
}

function lastMoment(model: RunModel): number {
  return model.groups.reduce((latest, group) => Math.max(latest, group.last), 0);
}

function groupInWords(model: RunModel, at: number): string[] {
  const group = model.groups[at] as Group;
  const counts = KIND_ORDER.filter((kind) => group.counts[kind]).map(
    (kind) => `${figure(group.counts[kind] ?? 0)} ${kind}`,
  );
  return [`${group.name} ×${figure(group.rows.length)}`, counts.join(", ")];
}

/** The same for those who can't see the canvas. */
function GroupsTable({ model }: { model: RunModel }) {
  return (
    <table className="sr">
      <caption>What the graph shows, by group</caption>
      <tbody>
        {model.groups.map((group) => (
          <tr key={group.key}>
            <th scope="row">{group.name}</th>
            <td>{groupInWords(model, group.at)[1]}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
