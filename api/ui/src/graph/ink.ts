/** The tokens of the theme for canvases, and how task runs are coloured. */

import { KIND_ORDER, type Kind } from "@/words/states";
import type { RunModel } from "./model";
import type { Scene } from "./view";

export type ColourBy = "state" | "duration" | "node" | "tries";

const SHADES = 8;

export type Ink = {
  of: Record<Kind, string>;
  /** Words on a mark of this colour. */
  onMark: Record<Kind, string>;
  /** From short to long. */
  shades: string[];
  failedInk: string;
  paper: string;
  face: string;
  raise: string;
  line: string;
  line2: string;
  line3: string;
  ink: string;
  ink2: string;
  ink3: string;
  sun: string;
  sunWash: string;
  onSun: string;
  hues: string[];
  sans: string;
};

export function readInk(): Ink {
  const css = getComputedStyle(document.documentElement);
  const get = (name: string) => css.getPropertyValue(`--${name}`).trim();
  const isDark = document.documentElement.dataset["theme"] === "dark";
  const onMark = isDark ? get("on-sun") : get("face");
  const running = get("running");
  return {
    onMark: Object.fromEntries(KIND_ORDER.map((kind) => [kind, onMark])) as Record<Kind, string>,
    shades: Array.from(
      { length: SHADES },
      (_, at) =>
        `color-mix(in srgb, ${running} ${18 + Math.round((82 * at) / (SHADES - 1))}%, ${get("face")})`,
    ),
    of: {
      completed: get("completed"),
      running: get("running"),
      failed: get("failed"),
      crashed: get("crashed"),
      late: get("late"),
      paused: get("paused"),
      cancelled: get("cancelled"),
      scheduled: get("scheduled"),
      pending: get("scheduled"),
    },
    failedInk: get("failed-ink"),
    paper: get("paper"),
    face: get("face"),
    raise: get("raise"),
    line: get("line"),
    line2: get("line-2"),
    line3: get("line-3"),
    ink: get("ink"),
    ink2: get("ink-2"),
    ink3: get("ink-3"),
    sun: get("sun"),
    sunWash: get("sun-wash"),
    onSun: get("on-sun"),
    hues: [1, 2, 3, 4, 5].map((at) => get(`g${at}`) || get("ink-3")),
    sans: get("sans"),
  };
}

export const isHollow = (kind: Kind) => kind === "scheduled" || kind === "pending";

/** The colour of a task run. Whatever colours are by, what failed keeps the colour of failure. */
export function colourOf(model: RunModel, row: number, by: ColourBy, ink: Ink, now: number): string {
  const kind = model.kind(row);
  if (by === "state" || kind === "failed" || kind === "crashed" || isHollow(kind)) return ink.of[kind];
  if (by === "node") return ink.hues[Math.max(0, model.node[row] ?? 0) % ink.hues.length] as string;
  if (by === "tries") return (model.tries[row] ?? 1) > 1 ? ink.of.late : ink.line3;
  const longest = model.groupFor(row).longest || 1;
  const part = Math.min(1, Math.max(0, model.took(row, now) / longest));
  return ink.shades[Math.round((SHADES - 1) * Math.sqrt(part))] as string;
}

const RANK: Readonly<Record<Kind, number>> = {
  failed: 9,
  crashed: 8,
  late: 7,
  paused: 6,
  running: 5,
  cancelled: 4,
  pending: 3,
  scheduled: 2,
  completed: 1,
};

/** Of two rows the one that shows where both share a place: what is found, then what is worse. */
export function worstOf(scene: Scene, a: number, b: number): number {
  if (a < 0) return b;
  if (scene.found && scene.found.has(a) !== scene.found.has(b)) return scene.found.has(a) ? a : b;
  return RANK[scene.model.kind(b)] > RANK[scene.model.kind(a)] ? b : a;
}

/** A task as a cell: hollow while it waits, dotted red when it cannot start, a ring when its result was kept. */
export function drawCell(
  scene: Scene,
  ink: Ink,
  ctx: CanvasRenderingContext2D,
  row: number,
  x: number,
  y: number,
  size: number,
  p95: number,
): void {
  const { model } = scene;
  const kind = model.kind(row);
  const name = model.stateName(row)[1];
  const outer = ctx.globalAlpha * (scene.found && !scene.found.has(row) ? 0.3 : 1);
  const colour = colourOf(model, row, scene.colourBy, ink, scene.now);
  if (isHollow(kind)) {
    const isStuck = name === "NotReady";
    if (isStuck || size < 4) {
      ctx.fillStyle = isStuck ? ink.of.failed : colour;
      ctx.globalAlpha = outer * (isStuck ? 1 : 0.5);
      ctx.fillRect(x + size * 0.28, y + size * 0.28, size * 0.44 + 0.4, size * 0.44 + 0.4);
    } else {
      ctx.strokeStyle = colour;
      ctx.globalAlpha = outer * 0.7;
      ctx.lineWidth = 1;
      ctx.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    }
    return;
  }
  const isBad = kind === "failed" || kind === "crashed";
  const took = (model.end[row] as number) - (model.start[row] as number);
  const depth = scene.colourBy === "state" && kind === "completed" ? Math.min(1, took / (p95 || 1)) : 1;
  ctx.globalAlpha = outer * (Number.isNaN(depth) ? 1 : 0.5 + (0.5 * Math.round(depth * 6)) / 6);
  if (name === "Cached" && size >= 6) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = Math.min(2, size / 4);
    ctx.strokeRect(x + 1, y + 1, size - 2, size - 2);
    return;
  }
  ctx.fillStyle = colour;
  if (isBad) ctx.fillRect(x - 1, y - 1, size + 2, size + 2);
  else ctx.fillRect(x, y, size, size);
  if ((model.tries[row] as number) > 1 && size >= 9) {
    ctx.fillStyle = ink.onMark[kind];
    ctx.beginPath();
    ctx.moveTo(x + size - 6, y + size - 2);
    ctx.lineTo(x + size - 2, y + size - 2);
    ctx.lineTo(x + size - 4, y + size - 6);
    ctx.fill();
  }
}

export class Pen {
  readonly ctx: CanvasRenderingContext2D;
  readonly ink: Ink;

  constructor(ctx: CanvasRenderingContext2D, ink: Ink) {
    this.ctx = ctx;
    this.ink = ink;
  }

  text(
    words: string,
    x: number,
    y: number,
    colour: string,
    options: { align?: CanvasTextAlign; size?: number; weight?: number; most?: number } = {},
  ): number {
    const { ctx } = this;
    ctx.font = `${options.weight ?? 400} ${options.size ?? 12}px ${this.ink.sans}`;
    ctx.textAlign = options.align ?? "left";
    ctx.fillStyle = colour;
    const shown = options.most === undefined ? words : shortened(ctx, words, options.most);
    ctx.fillText(shown, x, y);
    return ctx.measureText(shown).width;
  }

  /** How wide words would be. */
  wide(words: string, size = 12, weight = 400): number {
    this.ctx.font = `${weight} ${size}px ${this.ink.sans}`;
    return this.ctx.measureText(words).width;
  }

  line(x1: number, y1: number, x2: number, y2: number, colour: string, width = 1, dash: number[] = []): void {
    const { ctx } = this;
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  rect(x: number, y: number, width: number, height: number, fill: string): void {
    this.ctx.fillStyle = fill;
    this.ctx.fillRect(x, y, width, height);
  }

  box(
    x: number,
    y: number,
    width: number,
    height: number,
    radius: number,
    fill: string | null,
    stroke: string | null,
    wide = 1,
  ): void {
    const { ctx } = this;
    ctx.beginPath();
    ctx.roundRect(x, y, Math.max(0, width), Math.max(0, height), radius);
    if (fill) {
      ctx.fillStyle = fill;
      ctx.fill();
    }
    if (stroke) {
      ctx.strokeStyle = stroke;
      ctx.lineWidth = wide;
      ctx.stroke();
    }
  }

  /** The square with a cross that marks a failure where it happened. */
  failure(x: number, y: number, kind: Kind = "failed"): void {
    const { ctx, ink } = this;
    if (kind === "crashed") {
      ctx.fillStyle = ink.of.crashed;
      ctx.beginPath();
      ctx.moveTo(x, y - 6);
      ctx.lineTo(x + 6.5, y + 5);
      ctx.lineTo(x - 6.5, y + 5);
      ctx.closePath();
      ctx.fill();
      return;
    }
    this.box(x - 5.5, y - 5.5, 11, 11, 2, ink.of.failed, ink.face, 1);
    this.line(x - 2.2, y - 2.2, x + 2.2, y + 2.2, ink.face, 1.5);
    this.line(x + 2.2, y - 2.2, x - 2.2, y + 2.2, ink.face, 1.5);
  }
}

function shortened(ctx: CanvasRenderingContext2D, words: string, most: number): string {
  if (most <= 0) return "";
  if (ctx.measureText(words).width <= most) return words;
  let length = Math.max(1, Math.floor((words.length * most) / ctx.measureText(words).width) - 1);
  while (length > 1 && ctx.measureText(`${words.slice(0, length)}…`).width > most) length -= 1;
  return `${words.slice(0, length)}…`;
}
