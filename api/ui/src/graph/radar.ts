/** The radar: the run in the middle, a ring a group from what came first outwards, a ray an item. */

import { figure } from "@/words/numbers";
import { itemNote } from "./callout";
import { colourOf, isHollow, type Pen, worstOf } from "./ink";
import { measuresOf } from "./measures";
import type { Group } from "./model";
import { Sheets } from "./sheet";
import { type Camera, type GraphView, type Hit, neighbourGroups, type Scene } from "./view";

const SWEEP = Math.PI * 2 * 0.764;
const FROM = -Math.PI / 2;
const HUB = 40;
const GAP = 5;
const SHARED_UNTIL = 24; // items of groups that may share a ring

type Arc = { group: number; from: number; sweep: number };
type Ring = { arcs: Arc[]; inner: number; thick: number };

export class Radar implements GraphView {
  readonly scrolls = false;
  private rings: Ring[] = [];
  private radius = HUB;
  private readonly sheets = new Sheets();

  layout(scene: Scene): void {
    const { model, relations } = scene;
    const order = relations.chains.flat();
    order.sort((a, b) => (relations.depth[a] as number) - (relations.depth[b] as number));
    const together: number[][] = [];
    const crowded = order.length > 18;
    for (const at of order) {
      const last = together[together.length - 1];
      const small = (group: number) => (model.groups[group] as Group).rows.length <= SHARED_UNTIL;
      const beside = last?.[0];
      const fits =
        last !== undefined &&
        beside !== undefined &&
        relations.depth[beside] === relations.depth[at] &&
        small(at) &&
        small(beside) &&
        (last.length < 4 || crowded);
      if (fits) last.push(at);
      else together.push([at]);
    }
    let r = HUB;
    this.rings = together.map((groups) => {
      const most = Math.max(...groups.map((at) => (model.groups[at] as Group).rows.length));
      const thick = most > 1_000 ? 28 : most > 100 ? 20 : most > 20 ? 16 : 12;
      const inner = r + GAP;
      r = inner + thick;
      const share = SWEEP / groups.length;
      const cut = groups.length > 1 ? 0.03 : 0;
      const arcs = groups.map((group, at) => ({
        group,
        from: FROM + at * share + (at ? cut : 0),
        sweep: share - cut,
      }));
      return { arcs, inner, thick };
    });
    this.radius = r;
  }

  fit(scene: Scene): Camera {
    const k = Math.max(0.05, Math.min(scene.height - 32, scene.width - 120) / 2 / (this.radius + 8));
    return { k, x: scene.width / 2, y: scene.height / 2 };
  }

  draw(scene: Scene, pen: Pen): void {
    const { k, x, y } = scene.camera;
    const near = neighbourGroups(scene);
    const size = (this.radius + 4) * 2 * k;
    const key = [
      scene.model.version,
      scene.colourBy,
      scene.theme,
      scene.foundKey,
      near ? [...near].join() : "",
    ].join("|");
    const at = { x: x - size / 2, y: y - size / 2, width: size, height: size, k, isMoving: scene.isMoving };
    const paint = (ctx: CanvasRenderingContext2D, cx: number, cy: number) => {
      for (const ring of this.rings)
        for (const arc of ring.arcs) {
          const isFaded =
            (near && !near.has(arc.group)) || (scene.foundGroups && !scene.foundGroups.has(arc.group));
          ctx.globalAlpha = isFaded ? 0.35 : 1;
          this.arc(scene, pen, ctx, ring, arc, cx, cy);
        }
      ctx.globalAlpha = 1;
    };
    if (!this.sheets.put(pen.ctx, "all", key, at, (ctx) => paint(ctx, size / 2, size / 2)))
      paint(pen.ctx, x, y);
    for (const ring of this.rings) this.label(scene, pen, ring);
    this.ray(scene, pen);
    for (const ring of this.rings) for (const arc of ring.arcs) this.failures(scene, pen, ring, arc);
    this.hub(scene, pen);
    if (scene.width > 700) {
      const words = [
        "One ray an item, clockwise.",
        "Length: how long it took.",
        "Rings: from what came first, outwards.",
      ];
      for (const [line, text] of words.entries())
        pen.text(text, 20, scene.height - 50 + line * 16, line ? pen.ink.ink3 : pen.ink.ink2, { size: 11.5 });
    }
    const row = scene.selected?.row;
    const place = row === undefined ? null : this.placeOf(scene, row);
    if (row !== undefined && place) {
      const far = (this.radius + 10) * k;
      itemNote(scene, pen, row, x + Math.cos(place.angle) * far, y + Math.sin(place.angle) * far);
    }
  }

  private arc(
    scene: Scene,
    pen: Pen,
    ctx: CanvasRenderingContext2D,
    ring: Ring,
    arc: Arc,
    cx: number,
    cy: number,
  ): void {
    const { k } = scene.camera;
    const { ink } = pen;
    const group = scene.model.groups[arc.group] as Group;
    const size = group.rows.length;
    const inner = ring.inner * k;
    const thick = ring.thick * k;
    const long = inner * arc.sweep;
    const bins = Math.min(size, Math.max(1, Math.floor(long / (size > 300 ? 1.25 : 2.4))));
    const outer = ctx.globalAlpha;
    const longest = measuresOf(scene.model, group).p95 || 1;
    ctx.strokeStyle = ink.line;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.arc(cx, cy, inner, arc.from, arc.from + arc.sweep);
    ctx.stroke();
    // Ticks of one colour are one path: a hundred times fewer strokes.
    const paths = new Map<string, { colour: string; alpha: number; wide: number; ends: number[] }>();
    for (let bin = 0; bin < bins; bin += 1) {
      const first = Math.floor((bin * size) / bins);
      const last = Math.max(first + 1, Math.floor(((bin + 1) * size) / bins));
      let worst = -1;
      for (let at = first; at < last; at += 1) worst = worstOf(scene, worst, group.rows[at] as number);
      if (worst < 0) continue;
      const kind = scene.model.kind(worst);
      const angle = arc.from + (arc.sweep * (bin + 0.5)) / bins;
      const faded = scene.found && !scene.found.has(worst) ? 0.3 : 1;
      const hollow = isHollow(kind);
      const colour = colourOf(scene.model, worst, scene.colourBy, ink, scene.now);
      if (bins < 60) {
        this.block(ctx, cx, cy, inner, thick, angle, arc.sweep / bins, colour, hollow, outer * faded);
        continue;
      }
      const took = scene.model.took(worst, scene.now);
      const length = hollow ? 0.16 : kind === "completed" ? 0.3 + 0.7 * Math.min(1, took / longest) : 1;
      const alpha = outer * faded * (hollow ? 0.5 : kind === "completed" ? (bin % 2 ? 1 : 0.72) : 1);
      const wide = kind === "failed" || kind === "crashed" ? 3 : Math.min(1.6, (long / bins) * 0.8);
      const key = `${colour} ${alpha} ${wide}`;
      let found = paths.get(key);
      if (!found) paths.set(key, (found = { colour, alpha, wide, ends: [] }));
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      const far = inner + thick * length;
      found.ends.push(cx + c * inner, cy + s * inner, cx + c * far, cy + s * far);
    }
    for (const { colour, alpha, wide, ends } of paths.values()) {
      ctx.strokeStyle = colour;
      ctx.globalAlpha = alpha;
      ctx.lineWidth = wide;
      ctx.beginPath();
      for (let at = 0; at < ends.length; at += 4) {
        ctx.moveTo(ends[at] as number, ends[at + 1] as number);
        ctx.lineTo(ends[at + 2] as number, ends[at + 3] as number);
      }
      ctx.stroke();
    }
    ctx.globalAlpha = outer;
  }

  private block(
    ctx: CanvasRenderingContext2D,
    cx: number,
    cy: number,
    inner: number,
    thick: number,
    angle: number,
    share: number,
    colour: string,
    hollow: boolean,
    alpha: number,
  ): void {
    const half = Math.max(0.002, share / 2 - 1.6 / Math.max(1, inner));
    ctx.globalAlpha = alpha;
    ctx.strokeStyle = colour;
    ctx.beginPath();
    if (hollow) {
      ctx.arc(cx, cy, inner + thick * 0.84, angle - half, angle + half);
      ctx.arc(cx, cy, inner + thick * 0.18, angle + half, angle - half, true);
      ctx.closePath();
      ctx.lineWidth = 1;
    } else {
      ctx.arc(cx, cy, inner + thick / 2, angle - half, angle + half);
      ctx.lineWidth = thick * 0.72;
    }
    ctx.stroke();
  }

  private label(scene: Scene, pen: Pen, ring: Ring): void {
    const { k, x, y } = scene.camera;
    const thick = ring.thick * k;
    if (thick < 8) return;
    const { ink } = pen;
    const groups = ring.arcs.map((arc) => scene.model.groups[arc.group] as Group);
    const base = y - ring.inner * k - thick / 2 + 4;
    if (base < -20 || base > scene.height + 20) return;
    const isOn = groups.some((group) => group.at === scene.selected?.group);
    const begun = groups.some((group) => group.first < Infinity);
    const names = groups.map((group) => group.name).join(", ");
    let left =
      x -
      10 -
      pen.text(names, x - 10, base, begun ? ink.ink : ink.ink3, {
        align: "right",
        size: 11.5,
        weight: isOn ? 600 : 500,
        most: 190,
      });
    const [first] = groups;
    if (groups.length === 1 && first && first.rows.length > 1)
      left -=
        8 + pen.text(`×${figure(first.rows.length)}`, left - 8, base, ink.ink3, { align: "right", size: 11 });
    const failed = groups.reduce(
      (sum, group) => sum + (group.counts.failed ?? 0) + (group.counts.crashed ?? 0),
      0,
    );
    if (failed)
      pen.text(`${figure(failed)} failed`, left - 10, base, ink.failedInk, {
        align: "right",
        size: 11.5,
        weight: 500,
      });
    if (isOn) pen.rect(x - 5, y - ring.inner * k - thick + 1, 3, thick - 2, ink.sun);
  }

  private placeOf(scene: Scene, row: number): { ring: Ring; arc: Arc; angle: number } | null {
    const at = scene.model.group[row] as number;
    for (const ring of this.rings)
      for (const arc of ring.arcs) {
        if (arc.group !== at) continue;
        const group = scene.model.groups[at] as Group;
        const angle = arc.from + (arc.sweep * (group.rows.indexOf(row) + 0.5)) / group.rows.length;
        return { ring, arc, angle };
      }
    return null;
  }

  private ray(scene: Scene, pen: Pen): void {
    const row = scene.selected?.row;
    const place = row === undefined ? null : this.placeOf(scene, row);
    if (!place) return;
    const { k, x, y } = scene.camera;
    const [c, s] = [Math.cos(place.angle), Math.sin(place.angle)];
    const far = (this.radius + 10) * k;
    pen.line(x + c * HUB * k, y + s * HUB * k, x + c * far, y + s * far, pen.ink.ink, 1.5);
  }

  private failures(scene: Scene, pen: Pen, ring: Ring, arc: Arc): void {
    const group = scene.model.groups[arc.group] as Group;
    if (!group.counts.failed && !group.counts.crashed) return;
    const { k, x, y } = scene.camera;
    const r = (ring.inner + ring.thick / 2) * k;
    let last = -1;
    for (const [at, row] of group.rows.entries()) {
      const kind = scene.model.kind(row);
      if (kind !== "failed" && kind !== "crashed") continue;
      const angle = arc.from + (arc.sweep * (at + 0.5)) / group.rows.length;
      if (last >= 0 && (angle - last) * r < 11) continue;
      last = angle;
      pen.failure(x + Math.cos(angle) * r, y + Math.sin(angle) * r, kind);
    }
  }

  private hub(scene: Scene, pen: Pen): void {
    const { k, x, y } = scene.camera;
    const { ctx, ink } = pen;
    let done = 0;
    for (const { counts } of scene.model.groups)
      done +=
        (counts.completed ?? 0) + (counts.failed ?? 0) + (counts.crashed ?? 0) + (counts.cancelled ?? 0);
    const r = (HUB - 8) * k;
    ctx.beginPath();
    ctx.arc(x, y, Math.max(4, r), 0, 7);
    ctx.fillStyle = scene.isLive ? ink.sun : ink.face;
    ctx.fill();
    if (!scene.isLive) {
      ctx.strokeStyle = ink.line3;
      ctx.lineWidth = 1.5;
      ctx.stroke();
    }
    if (r < 14) return;
    const colour = scene.isLive ? ink.onSun : ink.ink;
    const percent = Math.floor((done / Math.max(1, scene.model.count)) * 100);
    pen.text(`${percent} %`, x, y + 2, colour, {
      align: "center",
      size: Math.max(13, Math.min(22, 17 * k)),
      weight: 600,
    });
    pen.text(figure(done), x, y + 16 * Math.max(0.9, Math.min(1.4, k)), colour, {
      align: "center",
      size: 11,
    });
  }

  hit(scene: Scene, x: number, y: number): Hit | null {
    const dx = x - scene.camera.x;
    const dy = y - scene.camera.y;
    const r = Math.hypot(dx, dy) / scene.camera.k;
    let angle = Math.atan2(dy, dx);
    while (angle < FROM) angle += Math.PI * 2;
    const ring = this.rings.find((each) => r >= each.inner - 1 && r <= each.inner + each.thick + GAP - 1);
    if (!ring) return null;
    const arc = ring.arcs.find((each) => angle >= each.from && angle <= each.from + each.sweep);
    // Labels stand left of twelve o'clock, level with their ring.
    if (!arc) return null;
    const group = scene.model.groups[arc.group] as Group;
    const row = group.rows[Math.floor(((angle - arc.from) / arc.sweep) * group.rows.length)];
    return row === undefined ? { group: group.at } : { group: group.at, row };
  }
}
