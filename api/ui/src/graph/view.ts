/** What the three views have in common: they lay out, draw, and tell what lies under the pointer. */

import type { ColourBy, Pen } from "./ink";
import type { Layout } from "./layout";
import type { RunModel } from "./model";
import type { Relations } from "./relations";

export type Hit = { group?: number; row?: number; act?: "fold" };

/** Where the reader looks: `x` and `y` are moved, `k` is the zoom. */
export type Camera = { x: number; y: number; k: number };

export type Scene = {
  model: RunModel;
  width: number;
  height: number;
  camera: Camera;
  /** Milliseconds after the run's start: now, or the end of a run that has ended. */
  now: number;
  /** When it is likely to end, from what such runs usually take; null when that is not known. */
  likelyEnd: number | null;
  isLive: boolean;
  colourBy: ColourBy;
  selected: Hit | null;
  /** Rows that are found, marked; null when nothing is searched. */
  found: ReadonlySet<number> | null;
  /** Groups that hold any of them. */
  foundGroups: ReadonlySet<number> | null;
  /** Changes with what is found. */
  foundKey: string;
  path: readonly number[];
  /** Groups that follow each other on the critical path: "3 4". */
  pathPairs: ReadonlySet<string>;
  relations: Relations;
  layout: Layout;
  theme: string;
  /** The reader pans or zooms at this moment. */
  isMoving: boolean;
  unfolded: ReadonlySet<number>;
  wall: (ms: number) => string;
};

export interface GraphView {
  /** Anew after the model, the size or what is unfolded changed. */
  layout(scene: Scene): void;
  draw(scene: Scene, pen: Pen): void;
  hit(scene: Scene, x: number, y: number): Hit | null;
  /** The camera that shows all. */
  fit(scene: Scene): Camera;
  /** Up and down moves it, and zooming widens it alone. */
  readonly scrolls: boolean;
  /** Pixels that show all of it without empty room below; left out by views that fill any height. */
  readonly needs?: number;
}

export const inView = (scene: Scene, x: number, y: number, width: number, height: number) =>
  x < scene.width && y < scene.height && x + width > 0 && y + height > 0;

/** The groups of one chain; a group that is in none is alone. */
export function chainOf(scene: Scene, group: number): readonly number[] {
  return scene.relations.chains.find((chain) => chain.includes(group)) ?? [group];
}

/** The chosen group with those that it needs and feeds, and its chain; others fade. Null while none is chosen. */
export function neighbourGroups(scene: Scene): ReadonlySet<number> | null {
  const group = scene.selected?.group;
  if (group === undefined) return null;
  const near = new Set<number>(chainOf(scene, group));
  near.add(group);
  for (const edge of scene.relations.edges) {
    if (edge.from === group) near.add(edge.to);
    if (edge.to === group) near.add(edge.from);
  }
  return near;
}
