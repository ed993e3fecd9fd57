/** The dependency view: cards from left to right, a cell a task, and bands that say how they hang together. */

import { duration, figure } from "@/words/numbers";
import { type Pen, drawCell, worstOf } from "./ink";
import { type Band, type Card, HEAD, type Layout, MOST_CELLS, PAD, perCell, type Stage } from "./layout";
import { measuresOf } from "./measures";
import type { Group } from "./model";
import { Sheets } from "./sheet";
import { callout } from "./callout";
import { type Camera, type GraphView, type Hit, inView, neighbourGroups, type Scene } from "./view";

const EDGE = 22;
const ROOM = 110; // so that a small graph may be shown larger
const NO_LABELS_BELOW = 0.45;
const MERGED_BELOW = 2.4;

export class Dependency implements GraphView {
  readonly scrolls = false;
  private readonly sheets = new Sheets();
  private placed: Layout = { cards: [], bands: [], width: 0, height: 0 };

  layout(scene: Scene): void {
    this.placed = scene.layout;
  }

  get needs(): number | undefined {
    return this.placed.cards.length > 0 ? this.placed.height + EDGE * 2 + ROOM : undefined;
  }

  fit(scene: Scene): Camera {
    const { width, height } = scene.layout;
    const k = Math.max(
      0.05,
      Math.min(
        1.6,
        (scene.width - EDGE * 2) / Math.max(1, width),
        (scene.height - EDGE * 2) / Math.max(1, height),
      ),
    );
    return { k, x: (scene.width - width * k) / 2, y: (scene.height - height * k) / 2 };
  }

  draw(scene: Scene, pen: Pen): void {
    const near = neighbourGroups(scene);
    const isFaded = (group: number) => (near !== null && !near.has(group)) || isWithout(scene, group);
    for (const band of this.placed.bands) this.band(scene, pen, band, isFaded);
    for (const card of this.placed.cards) this.card(scene, pen, card, isFaded);
    this.chosen(scene, pen);
  }

  private band(scene: Scene, pen: Pen, band: Band, isFaded: (group: number) => boolean): void {
    const { ctx, ink } = pen;
    const { k } = scene.camera;
    const from = this.placed.cards[band.from] as Card;
    const to = this.placed.cards[band.to] as Card;
    const a = from.stages[band.fromStage] as Stage;
    const b = to.stages[band.toStage] as Stage;
    const X = (x: number) => scene.camera.x + x * k;
    const Y = (y: number) => scene.camera.y + y * k;
    const x0 = X(from.x + from.width);
    const x1 = X(to.x);
    const wideA =
      band.shape === "in" || band.shape === "block" || band.shape === "all" || isWide(band, scene, a);
    const wideB =
      band.shape === "out" || band.shape === "block" || band.shape === "all" || isWide(band, scene, b);
    const [a0, a1] = side(from, a, wideA, this.place(band, "from"));
    const [b0, b1] = side(to, b, wideB, this.place(band, "to"));
    if (Math.max(x0, x1) < 0 || Math.min(x0, x1) > scene.width) return;
    const group = scene.model.groups[b.group] as Group;
    const begun = group.first < Infinity;
    const middle = x0 + Math.min((x1 - x0) / 2, 70 * Math.max(1, k));
    const curve = (y0: number, y1: number) => ctx.bezierCurveTo(middle, Y(y0), middle, Y(y1), x1, Y(y1));
    const alpha = isFaded(a.group) && isFaded(b.group) ? 0.35 : 1;
    ctx.beginPath();
    ctx.moveTo(x0, Y(a0));
    curve(a0, b0);
    ctx.lineTo(x1, Y(b1));
    ctx.bezierCurveTo(middle, Y(b1), middle, Y(a1), x0, Y(a1));
    ctx.closePath();
    ctx.globalAlpha = (begun ? 0.075 : 0.04) * alpha;
    ctx.fillStyle = ink.ink;
    ctx.fill();
    const strands = band.shape === "block" || (band.shape === "item" && wideA) ? 5 : wideA || wideB ? 2 : 1;
    ctx.setLineDash(begun && band.shape !== "within" ? [] : [3, 3]);
    ctx.globalAlpha = (begun ? 0.75 : 0.55) * alpha;
    ctx.strokeStyle = ink.ink3;
    ctx.lineWidth = 1;
    for (let strand = 0; strand < strands; strand += 1) {
      const part = strands === 1 ? 0.5 : strand / (strands - 1);
      ctx.beginPath();
      ctx.moveTo(x0, Y(a0 + (a1 - a0) * part));
      curve(a0 + (a1 - a0) * part, b0 + (b1 - b0) * part);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.globalAlpha = alpha;
    if (scene.pathPairs.has(`${a.group} ${b.group}`)) {
      ctx.beginPath();
      ctx.moveTo(x0, Y((a0 + a1) / 2));
      curve((a0 + a1) / 2, (b0 + b1) / 2);
      ctx.strokeStyle = ink.ink;
      ctx.lineWidth = 2;
      ctx.setLineDash(begun ? [] : [2, 3.5]);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    ctx.globalAlpha = 1;
  }

  /** Bands that meet a card at one stage stand beside each other: this one's place among them, from -1 to 1. */
  private place(band: Band, end: "from" | "to"): number {
    const stage = end === "from" ? "fromStage" : "toStage";
    const other = end === "from" ? "to" : "from";
    const beside = this.placed.bands
      .filter((each) => each[end] === band[end] && each[stage] === band[stage])
      .sort(
        (a, b) =>
          middleOf(this.placed.cards[a[other]] as Card) - middleOf(this.placed.cards[b[other]] as Card),
      );
    return beside.length < 2 ? 0 : (beside.indexOf(band) / (beside.length - 1)) * 2 - 1;
  }

  private card(scene: Scene, pen: Pen, card: Card, isFaded: (group: number) => boolean): void {
    const { ctx, ink } = pen;
    const { k } = scene.camera;
    const [x, y, w, h] = [
      scene.camera.x + card.x * k,
      scene.camera.y + card.y * k,
      card.width * k,
      card.height * k,
    ];
    if (!inView(scene, x, y, w + 6, h + 6)) return;
    const first = scene.model.groups[(card.stages[0] as Stage).group] as Group;
    const begun = card.stages.some((stage) => (scene.model.groups[stage.group] as Group).first < Infinity);
    if (card.title === null && first.rows.length > 1)
      for (const d of [4, 2]) pen.box(x + d, y + d, w, h, 5, ink.face, ink.line2);
    pen.box(x, y, w, h, 5, ink.face, begun ? ink.line3 : ink.line2, card.isFlow ? 1.5 : 1);
    if (card.isFlow) pen.box(x + 3, y + 3, w - 6, h - 6, 3, null, ink.line2);
    const room = k > NO_LABELS_BELOW;
    if (card.title !== null && room && HEAD * k > 12) {
      const wide = pen.text(card.title, x + PAD * k, y + 17 * Math.max(k, 0.8), ink.ink, {
        weight: 600,
        most: w - 20,
      });
      pen.text(card.note ?? "", x + PAD + 6 + wide, y + 17 * Math.max(k, 0.8), ink.ink3, {
        size: 11.5,
        most: w - wide - 30,
      });
    }
    for (const [at, stage] of card.stages.entries()) {
      ctx.globalAlpha = isFaded(stage.group) ? 0.35 : 1;
      this.stage(scene, pen, stage, at, { x, y: y + stage.top * k, w, room });
      ctx.globalAlpha = 1;
    }
  }

  private stage(
    scene: Scene,
    pen: Pen,
    stage: Stage,
    at: number,
    { x, y, w, room }: { x: number; y: number; w: number; room: boolean },
  ): void {
    const { ink } = pen;
    const { k } = scene.camera;
    const group = scene.model.groups[stage.group] as Group;
    const height = stage.height * k;
    if (scene.selected?.group === stage.group) {
      const alpha = pen.ctx.globalAlpha;
      pen.rect(x + 1, y + 1, w - 2, height - 2, ink.sunWash);
      pen.rect(x + 1, y + 1, 3, height - 2, ink.sun);
      pen.ctx.globalAlpha = alpha;
    }
    if (at > 0) pen.line(x + 1, y, x + w - 1, y, ink.line);
    if (room && height > 16) this.stageWords(scene, pen, group, x, y, w);
    const top = y + (room ? Math.max(20, 22 * k) : 22 * k);
    const cell = Math.min(stage.cell * k, (height - (top - y)) / Math.max(1, rowsOf(stage, group)));
    this.mosaic(scene, pen, stage, group, x + PAD * k, top, cell);
  }

  private stageWords(scene: Scene, pen: Pen, group: Group, x: number, y: number, w: number): void {
    const { ink } = pen;
    const { k } = scene.camera;
    const { counts } = group;
    const failed = (counts.failed ?? 0) + (counts.crashed ?? 0);
    const total = group.rows.length;
    const begun = group.first < Infinity;
    let right = 0;
    if (failed > 0 && w > 110)
      right = pen.text(`${figure(failed)} failed`, x + w - 10, y + 15, ink.failedInk, {
        align: "right",
        size: 11.5,
        weight: 500,
      });
    else if (w > 240) {
      const done = counts.completed ?? 0;
      const { p50 } = measuresOf(scene.model, group);
      const words =
        done === total && total > 0
          ? `${duration(p50 / 1000)}${total > 1 ? " each" : ""}`
          : begun
            ? `${figure(done)} done, ${figure(counts.running ?? 0)} at work`
            : "waits";
      right = pen.text(words, x + w - 10, y + 15, ink.ink3, { align: "right", size: 11.5 });
    }
    const many = total > 1 ? `×${figure(total)}` : "";
    const manyWide = many && w > 90 ? pen.wide(many, 11.5) + 6 : 0;
    const wide = pen.text(group.name, x + PAD * k, y + 15, begun ? ink.ink : ink.ink2, {
      weight: 500,
      most: w - 20 - manyWide - (right ? right + 8 : 0),
    });
    if (manyWide) pen.text(many, x + PAD * k + wide + 6, y + 15, ink.ink3, { size: 11.5 });
  }

  private mosaic(
    scene: Scene,
    pen: Pen,
    stage: Stage,
    group: Group,
    x: number,
    y: number,
    cell: number,
  ): void {
    const rows = rowsOf(stage, group);
    const [width, height] = [stage.columns * cell, rows * cell];
    if (!inView(scene, x, y, width, height)) return;
    const paint = (ctx: CanvasRenderingContext2D, x0: number, y0: number, clip: boolean) =>
      this.cells(scene, pen, ctx, stage, group, x0, y0, cell, clip);
    const key = `${scene.model.version} ${scene.colourBy} ${scene.theme} ${scene.foundKey}`;
    const at = { x, y, width, height, k: cell, isMoving: scene.isMoving };
    if (
      cell > 20 ||
      group.rows.length < 60 ||
      !this.sheets.put(pen.ctx, `m${group.at}`, key, at, (ctx) => paint(ctx, 0, 0, false))
    )
      paint(pen.ctx, x, y, true);
  }

  private cells(
    scene: Scene,
    pen: Pen,
    ctx: CanvasRenderingContext2D,
    stage: Stage,
    group: Group,
    x: number,
    y: number,
    cell: number,
    clip: boolean,
  ): void {
    const per = perCell(group.rows.length);
    const { p95 } = measuresOf(scene.model, group);
    let merge = 1;
    while (cell * merge < MERGED_BELOW && merge < 64) merge += 1;
    const rows = rowsOf(stage, group);
    const size = cell * merge - (cell * merge > 3 ? 1 : 0.5);
    const outer = ctx.globalAlpha;
    for (let row = 0; row < rows; row += merge)
      for (let column = 0; column < stage.columns; column += merge) {
        const cx = x + column * cell;
        const cy = y + row * cell;
        if (clip && !inView(scene, cx, cy, size, size)) continue;
        let worst = -1;
        for (let r = row; r < Math.min(rows, row + merge); r += 1)
          for (let c = column; c < Math.min(stage.columns, column + merge); c += 1) {
            const first = (r * stage.columns + c) * per;
            for (let at = first; at < Math.min(first + per, group.rows.length); at += 1)
              worst = worstOf(scene, worst, group.rows[at] as number);
          }
        if (worst < 0) continue;
        ctx.globalAlpha = outer;
        drawCell(scene, pen.ink, ctx, worst, cx, cy, size, p95);
        if (cell > 26 && merge === 1) this.cellWords(scene, pen, worst, cx, cy, size);
      }
    ctx.globalAlpha = outer;
  }

  private cellWords(scene: Scene, pen: Pen, row: number, x: number, y: number, size: number): void {
    const { model } = scene;
    const kind = model.kind(row);
    const colour = kind === "scheduled" || kind === "pending" ? pen.ink.ink3 : pen.ink.onMark[kind];
    const most = size - 8;
    pen.text(String(model.index[row]), x + 4, y + 13, colour, { size: 10, weight: 500, most });
    const took = model.took(row, scene.now);
    if (size > 44 && !Number.isNaN(took))
      pen.text(duration(took / 1000), x + 4, y + 27, colour, { size: 10, most });
    if (size <= 90) return;
    const node = model.nodes[model.node[row] as number];
    if (node) pen.text(node, x + 4, y + 41, colour, { size: 10, most });
    const tries = model.tries[row] as number;
    if (tries > 1) pen.text(`${tries} tries`, x + 4, y + 55, colour, { size: 10, most });
  }

  /** The chosen task, framed in each row of its chain, with a few words beside it. */
  private chosen(scene: Scene, pen: Pen): void {
    const row = scene.selected?.row;
    if (row === undefined) return;
    const group = scene.model.groupFor(row);
    const item = group.rows.indexOf(row);
    for (const card of this.placed.cards) {
      const own = card.stages.find((stage) => stage.group === group.at);
      if (!own) continue;
      for (const stage of card.stages) {
        const other = scene.model.groups[stage.group] as Group;
        if (stage !== own && other.rows.length !== group.rows.length) continue;
        const box = this.cellBox(scene, card, stage, item);
        pen.box(box.x - 2, box.y - 2, box.size + 3, box.size + 3, 1, null, pen.ink.ink, 1.5);
        if (stage !== own) continue;
        const right = scene.camera.x + (card.x + card.width) * scene.camera.k + 18;
        callout(scene, pen, row, box.x + box.size / 2, box.y + box.size / 2, right);
      }
    }
  }

  private cellBox(
    scene: Scene,
    card: Card,
    stage: Stage,
    item: number,
  ): { x: number; y: number; size: number } {
    const { k } = scene.camera;
    const group = scene.model.groups[stage.group] as Group;
    const y = scene.camera.y + (card.y + stage.top) * k;
    const top = k > NO_LABELS_BELOW ? Math.max(20, 22 * k) : 22 * k;
    const cell = Math.min(stage.cell * k, (stage.height * k - top) / Math.max(1, rowsOf(stage, group)));
    const at = Math.floor(item / perCell(group.rows.length));
    const x = scene.camera.x + card.x * k + PAD * k + (at % stage.columns) * cell;
    return { x, y: y + top + Math.floor(at / stage.columns) * cell, size: cell };
  }

  hit(scene: Scene, x: number, y: number): Hit | null {
    const { k } = scene.camera;
    const wx = (x - scene.camera.x) / k;
    const wy = (y - scene.camera.y) / k;
    for (const card of this.placed.cards) {
      if (wx < card.x || wx > card.x + card.width || wy < card.y || wy > card.y + card.height) continue;
      const stage = card.stages.find(
        (each) => wy >= card.y + each.top && wy < card.y + each.top + each.height,
      );
      if (!stage) return null;
      const group = scene.model.groups[stage.group] as Group;
      const box = this.cellBox(scene, card, stage, 0);
      const column = Math.floor((x - box.x) / box.size);
      const line = Math.floor((y - box.y) / box.size);
      if (column < 0 || column >= stage.columns || line < 0) return { group: group.at };
      const row = group.rows[(line * stage.columns + column) * perCell(group.rows.length)];
      return row === undefined ? { group: group.at } : { group: group.at, row };
    }
    return null;
  }
}

const middleOf = (card: Card) => card.y + card.height / 2;

function rowsOf(stage: Stage, group: Group): number {
  return Math.ceil(Math.min(group.rows.length, MOST_CELLS) / stage.columns);
}

function isWide(band: Band, scene: Scene, stage: Stage): boolean {
  return band.shape === "item" && (scene.model.groups[stage.group] as Group).rows.length > 1;
}

function side(card: Card, stage: Stage, wide: boolean, place: number): [number, number] {
  const inset = Math.min(8, stage.height / 4);
  const top = card.y + stage.top + inset;
  const bottom = card.y + stage.top + stage.height - inset;
  if (wide) return [top, bottom];
  const middle = (top + bottom) / 2 + (place * (bottom - top)) / 3;
  return [middle - 1.5, middle + 1.5];
}

function isWithout(scene: Scene, group: number): boolean {
  return scene.foundGroups !== null && !scene.foundGroups.has(group);
}
