/** The lanes of the timeline: a lane a group, a bracket over those of a sub-flow. */

import { type Slots, slotsOf } from "./measures";
import type { Group } from "./model";
import type { Scene } from "./view";

export const GUTTER = 216;
export const AXIS = 26;
export const FOLDED = 36;
export const SINGLE = 24;
export const MOST_UNFOLDED = 190;
const BRACKET = 24;

export type Lane = { group: Group; top: number; height: number; slots: Slots | null; flow: null };
export type Bracket = { group: null; flow: number; first: number; last: number; top: number; height: number };

/** All lanes from top to bottom, and where they end. */
export function lanesOf(scene: Scene): { lanes: (Lane | Bracket)[]; bottom: number } {
  const { model, relations } = scene;
  const depth = (group: Group) => relations.depth[group.at] as number;
  const order = [...model.groups].sort(
    (a, b) => depth(a) - depth(b) || Math.min(a.first, 1e15) - Math.min(b.first, 1e15) || a.at - b.at,
  );
  const children = childrenOf(scene);
  const lanes: (Lane | Bracket)[] = [];
  let top = AXIS;
  const put = (run: number) => {
    for (const group of order) {
      if (group.run !== run) continue;
      const slots = scene.unfolded.has(group.at) && group.rows.length > 1 ? slotsOf(model, group) : null;
      const open = slots ? Math.min(MOST_UNFOLDED, Math.max(24, slots.count * 9)) + 8 : 0;
      const height = foldedOf(group) + open;
      const stands = children.get(group.at) ?? [];
      if (stands.length === 0 || group.rows.length > 1) {
        lanes.push({ group, top, height, slots, flow: null });
        top += height;
      }
      for (const child of stands) {
        const inner = model.groups.filter((each) => each.run === child);
        const first = Math.min(...inner.map((each) => each.first), startOf(scene, child));
        lanes.push({
          group: null,
          flow: child,
          first,
          last: endOf(scene, child),
          top,
          height: BRACKET,
        });
        top += BRACKET;
        put(child);
      }
    }
  };
  put(0);
  return { lanes, bottom: top };
}

/** Narrower where there is little room. */
export function gutterOf(scene: Scene): number {
  return scene.width < 600 ? 142 : GUTTER;
}

export const foldedOf = (group: Group) => (group.rows.length === 1 ? SINGLE : FOLDED);

/** Sub-flow runs by the group whose task stands for them. */
function childrenOf(scene: Scene): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const [at, run] of scene.model.runs.entries()) {
    const row = at === 0 || run.parent === null ? undefined : scene.model.rowOfId(run.parent);
    if (row === undefined) continue;
    const group = scene.model.group[row] as number;
    found.set(group, [...(found.get(group) ?? []), at]);
  }
  return found;
}

function startOf(scene: Scene, run: number): number {
  const at = scene.model.runs[run]?.start;
  return at ? Date.parse(at) - scene.model.t0 : Infinity;
}

function endOf(scene: Scene, run: number): number {
  const at = scene.model.runs[run]?.end;
  return at ? Date.parse(at) - scene.model.t0 : NaN;
}
