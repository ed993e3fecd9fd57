/** The timeline: a lane a group. Folded, its height is the tasks at work at that moment; unfolded, a bar a task. */

import { duration, figure } from "@/words/numbers";
import { colourOf, type Pen } from "./ink";
import type { Group } from "./model";
import { drawGutter } from "./gutter";
import { AXIS, type Bracket, FOLDED, foldedOf, gutterOf, type Lane, lanesOf } from "./lanes";
import type { Camera, GraphView, Hit, Scene } from "./view";
import { forecastOf, measuresOf, peakOf, type Slots, upTo } from "./measures";

const RIGHT = 24;

export class Timeline implements GraphView {
  readonly scrolls = true;
  private lanes: (Lane | Bracket)[] = [];
  private bottom = 0;
  private busiest = 1;
  private horizon = 0; // as far as the forecasts go, within reason

  layout(scene: Scene): void {
    const { lanes, bottom } = lanesOf(scene);
    this.lanes = lanes;
    this.bottom = bottom;
    const ends = scene.isLive
      ? scene.model.groups.map((group) => forecastOf(scene.model, group, scene.now))
      : [];
    const latest = Math.max(0, ...ends.map((each) => each?.until ?? 0));
    this.horizon = Math.min(latest, scene.now * 1.5);
    this.busiest = Math.max(1, ...scene.model.groups.map((group) => peakOf(measuresOf(scene.model, group))));
  }

  fit(scene: Scene): Camera {
    void scene;
    return { x: 0, y: 0, k: 1 };
  }

  get needs(): number {
    return this.bottom + 16;
  }

  /** How far the lanes can be moved up. */
  overflow(scene: Scene): number {
    return Math.max(0, this.bottom - scene.height + 8);
  }

  private span(scene: Scene): number {
    const end = Math.max(scene.now, scene.likelyEnd ?? 0, this.horizon, 1);
    return scene.isLive ? end * 1.04 : Math.max(end, 1);
  }

  private x(scene: Scene, ms: number): number {
    const wide = scene.width - gutterOf(scene) - RIGHT;
    return scene.camera.x + scene.camera.k * (gutterOf(scene) + 8 + (ms / this.span(scene)) * wide);
  }

  private ms(scene: Scene, x: number): number {
    const wide = scene.width - gutterOf(scene) - RIGHT;
    return (((x - scene.camera.x) / scene.camera.k - gutterOf(scene) - 8) / wide) * this.span(scene);
  }

  draw(scene: Scene, pen: Pen): void {
    const { ctx, ink } = pen;
    const { width, height } = scene;
    const nowX = this.x(scene, scene.now);
    ctx.save();
    ctx.beginPath();
    ctx.rect(gutterOf(scene), 0, width - gutterOf(scene), height);
    ctx.clip();
    if (scene.isLive) pen.rect(Math.max(gutterOf(scene), nowX), AXIS, width, height, ink.paper);
    this.axis(scene, pen);
    ctx.restore();
    const shift = -scene.camera.y;
    for (const lane of this.lanes) {
      const top = lane.top - shift;
      if (top + lane.height < AXIS || top > height) continue;
      if (lane.group) this.lane(scene, pen, lane, top);
      else this.bracket(scene, pen, lane, top);
    }
    ctx.save();
    ctx.beginPath();
    ctx.rect(gutterOf(scene), AXIS, width - gutterOf(scene), height - AXIS);
    ctx.clip();
    this.criticalPath(scene, pen, shift);
    ctx.restore();
    pen.rect(0, 0, width, AXIS, ink.face);
    this.labels(scene, pen);
    pen.line(gutterOf(scene) + 0.5, 0, gutterOf(scene) + 0.5, height, ink.line);
    pen.line(0, AXIS - 0.5, width, AXIS - 0.5, ink.line);
    this.likely(scene, pen);
    if (scene.isLive && nowX > gutterOf(scene) && nowX < width) {
      pen.line(nowX, AXIS - 8, nowX, height, ink.sun, 2);
      ctx.fillStyle = ink.sun;
      ctx.beginPath();
      ctx.arc(nowX, AXIS - 13, 4, 0, 7);
      ctx.fill();
      pen.text("now", nowX + 9, AXIS - 9, ink.ink, { size: 11, weight: 500 });
    }
  }

  /** When runs of this kind usually end. */
  private likely(scene: Scene, pen: Pen): void {
    if (scene.likelyEnd === null) return;
    const x = this.x(scene, scene.likelyEnd);
    if (x < gutterOf(scene) || x > scene.width) return;
    pen.line(x, AXIS, x, scene.height, pen.ink.ink3, 1, [2, 3]);
    if (x - this.x(scene, scene.now) < 130) return;
    pen.text(`about ${scene.wall(scene.likelyEnd)}`, x - 5, 17, pen.ink.ink2, { size: 11, align: "right" });
  }

  private ticks(scene: Scene): number[] {
    const from = this.ms(scene, gutterOf(scene));
    const to = this.ms(scene, scene.width);
    const wanted = (to - from) / Math.max(2, (scene.width - gutterOf(scene)) / 96);
    const steps = [
      1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5,
      216e5, 864e5,
    ];
    const step = steps.find((each) => each >= wanted) ?? 864e5;
    const found: number[] = [];
    for (let at = Math.ceil(from / step) * step; at < to; at += step) if (at >= 0) found.push(at);
    return found;
  }

  private axis(scene: Scene, pen: Pen): void {
    for (const tick of this.ticks(scene)) {
      const x = Math.round(this.x(scene, tick)) + 0.5;
      pen.line(x, AXIS, x, scene.height, pen.ink.line);
    }
  }

  private labels(scene: Scene, pen: Pen): void {
    const total = figure(scene.model.count);
    pen.text(`${total} tasks in ${scene.model.groups.length} groups`, 20, 17, pen.ink.ink3, {
      size: 11.5,
      most: gutterOf(scene) - 28,
    });
    const nowX = scene.isLive ? this.x(scene, scene.now) : -1e9;
    for (const tick of this.ticks(scene)) {
      const x = this.x(scene, tick);
      if (x < gutterOf(scene) + 24 || x > scene.width - 20 || Math.abs(x - nowX) < 44) continue;
      if (scene.likelyEnd !== null && Math.abs(x - this.x(scene, scene.likelyEnd) + 50) < 90) continue;
      pen.text(scene.wall(tick), x, 17, pen.ink.ink3, { size: 11, align: "center" });
    }
  }

  private lane(scene: Scene, pen: Pen, lane: Lane, top: number): void {
    const { ink, ctx } = pen;
    const { group } = lane;
    const isChosen = scene.selected?.group === group.at;
    const alpha = scene.foundGroups && !scene.foundGroups.has(group.at) ? 0.35 : 1;
    if (isChosen) pen.rect(0, top, scene.width, lane.height, ink.sunWash);
    if (isChosen) pen.rect(0, top, 3, lane.height, ink.sun);
    pen.line(
      0,
      Math.round(top + lane.height) - 0.5,
      scene.width,
      Math.round(top + lane.height) - 0.5,
      ink.line,
    );
    ctx.globalAlpha = alpha;
    drawGutter(scene, pen, lane, top);
    ctx.save();
    ctx.beginPath();
    ctx.rect(gutterOf(scene) + 1, Math.max(AXIS, top), scene.width, lane.height);
    ctx.clip();
    const folded = foldedOf(group);
    if (group.rows.length === 1) this.single(scene, pen, group, top);
    else this.hill(scene, pen, group, top, folded);
    if (scene.isLive) this.forecast(scene, pen, group, top, folded);
    if (lane.slots) this.bars(scene, pen, lane, lane.slots, top + folded);
    this.failures(scene, pen, group, top);
    ctx.restore();
    ctx.globalAlpha = 1;
  }

  private single(scene: Scene, pen: Pen, group: Group, top: number): void {
    const row = group.rows[0] ?? 0;
    const start = scene.model.start[row] ?? NaN;
    if (Number.isNaN(start)) return;
    const x = this.x(scene, start);
    const end = scene.model.end[row] ?? NaN;
    const wide = Math.max(3, this.x(scene, Number.isNaN(end) ? scene.now : end) - x);
    pen.box(x, top + 7, wide, 10, 2, colourOf(scene.model, row, scene.colourBy, pen.ink, scene.now), null);
    if (scene.selected?.row === row) pen.box(x - 2, top + 5, wide + 4, 14, 3, null, pen.ink.ink, 1.5);
  }

  /** Tasks at work at each moment, on one scale for all lanes; those that still are on top in their own colour. */
  private hill(scene: Scene, pen: Pen, group: Group, top: number, height: number): void {
    if (group.first === Infinity) return;
    const { starts, ends, open } = measuresOf(scene.model, group);
    const { ctx, ink } = pen;
    const last = group.counts.running ? scene.now : group.last;
    const from = Math.max(gutterOf(scene) + 1, Math.floor(this.x(scene, group.first)));
    const to = Math.min(scene.width, Math.ceil(this.x(scene, last)));
    const base = top + height - 3;
    const per = (height - (height > 30 ? 10 : 7)) / this.busiest;
    const step = (this.ms(scene, from + 1) - this.ms(scene, from)) / 2;
    pen.rect(from, base, Math.max(0, to - from), 1, ink.line2);
    for (let x = from; x < to; x += 1) {
      const ms = this.ms(scene, x);
      // Whatever was at work at any moment of this pixel counts, so that short tasks show.
      const all = upTo(starts, ms + step) - upTo(ends, ms - step);
      if (all <= 0) continue;
      const still = upTo(open, ms + step);
      const shut = Math.min(this.busiest, all - still) * per;
      const tall = shut > 0 ? Math.max(1.5, shut) : 0;
      if (shut > 0) {
        ctx.fillStyle = scene.colourBy === "node" ? ink.line3 : ink.of.completed;
        ctx.fillRect(x, base - tall, 1, tall);
      }
      if (still > 0) {
        const more = Math.max(1.5, still * per);
        ctx.fillStyle = ink.of.running;
        ctx.fillRect(x, base - tall - more, 1, more);
      }
    }
  }

  /** What is left, at the pace of late. */
  private forecast(scene: Scene, pen: Pen, group: Group, top: number, height: number): void {
    const found = forecastOf(scene.model, group, scene.now);
    if (!found) return;
    const from = this.x(scene, scene.now);
    const to = this.x(scene, found.until);
    const base = top + height - 3.5;
    const tall = Math.min(20, height - 12);
    const { ctx, ink } = pen;
    ctx.strokeStyle = ink.of.scheduled;
    ctx.lineWidth = 1;
    ctx.setLineDash([3, 2.5]);
    ctx.beginPath();
    ctx.moveTo(from, base - tall);
    ctx.lineTo(Math.max(from, to - 8), base - tall);
    ctx.lineTo(Math.max(from, to), base);
    ctx.lineTo(from, base);
    ctx.stroke();
    ctx.setLineDash([]);
    pen.text(`${figure(found.left)} to go`, from + 7, base - 6, ink.ink3, { size: 11 });
  }

  /** A sub-flow run: how long it lasts, over the lanes of its tasks. */
  private bracket(scene: Scene, pen: Pen, lane: Bracket, top: number): void {
    const { ctx, ink } = pen;
    const run = scene.model.runs[lane.flow];
    if (!run) return;
    const gutter = gutterOf(scene);
    const indent = 20 + 12 * Math.min(3, Math.max(0, run.depth - 1));
    const most = gutter - indent - 20;
    const wide = pen.text(run.flow_name, indent, top + 16, ink.ink, { size: 12.5, weight: 500, most });
    pen.text(run.name, indent + wide + 6, top + 16, ink.ink3, { size: 11.5, most: most - wide });
    const base = Math.round(top + lane.height) - 0.5;
    pen.line(0, base, scene.width, base, ink.line);
    if (!Number.isFinite(lane.first)) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(gutter + 1, Math.max(AXIS, top), scene.width, lane.height);
    ctx.clip();
    const x0 = this.x(scene, lane.first);
    const end = Number.isFinite(lane.last) ? lane.last : scene.now;
    const x1 = this.x(scene, end);
    const y = top + lane.height / 2 + 4;
    pen.line(x0, y, x1, y, ink.ink2, 1.5);
    pen.line(x0, y - 4, x0, top + lane.height, ink.ink2, 1.5);
    pen.line(x1, y - 4, x1, top + lane.height, ink.ink2, 1.5);
    const soFar = Number.isFinite(lane.last) ? "" : " so far";
    const words = `sub-flow, ${duration((end - lane.first) / 1000)}${soFar}`;
    pen.text(words, Math.max(x0, gutter) + 7, y - 4, ink.ink3, { size: 11 });
    ctx.restore();
  }

  private bars(scene: Scene, pen: Pen, lane: Lane, slots: Slots, top: number): void {
    const { model } = scene;
    const rows = Math.max(1, slots.count);
    const each = (lane.height - foldedOf(lane.group) - 6) / rows;
    const thick = Math.max(0.8, each - (each > 3 ? 1 : 0.2));
    for (const row of lane.group.rows) {
      const slot = slots.slot.get(row);
      if (slot === undefined) continue;
      const start = model.start[row] ?? NaN;
      const end = model.end[row] ?? NaN;
      const x = this.x(scene, start);
      const to = this.x(scene, Number.isNaN(end) ? scene.now : end);
      if (to < gutterOf(scene) || x > scene.width) continue;
      const wide = Math.max(1, to - x - 0.5);
      const y = top + slot * each;
      const isFound = scene.found?.has(row) ?? false;
      pen.ctx.globalAlpha = scene.found && !isFound ? 0.25 : 1;
      pen.rect(x, y, wide, thick, colourOf(model, row, scene.colourBy, pen.ink, scene.now));
      if (thick >= 9 && wide > 26) {
        const words =
          wide > 90
            ? `${model.index[row]}  ${duration((to - x > 0 ? model.took(row, scene.now) : 0) / 1000)}`
            : String(model.index[row]);
        pen.text(words, x + 3, y + thick - 1.5, pen.ink.face, { size: Math.min(10, thick), most: wide - 5 });
      }
      if (scene.selected?.row === row || isFound)
        pen.box(x - 1, y - 1, wide + 2, thick + 2, 1, null, pen.ink.ink, 1.5);
      if ((model.tries[row] ?? 1) > 1 && thick > 4)
        pen.rect(x, y + thick - 1, Math.min(5, wide), 1, pen.ink.of.late);
    }
    pen.ctx.globalAlpha = 1;
  }

  /** Failures as marks where they happened; close ones share a mark. */
  private failures(scene: Scene, pen: Pen, group: Group, top: number): void {
    if (!group.counts.failed && !group.counts.crashed) return;
    let last = -1e9;
    for (const row of group.rows) {
      const kind = scene.model.kind(row);
      if (kind !== "failed" && kind !== "crashed") continue;
      const end = scene.model.end[row] ?? NaN;
      const x = this.x(scene, Number.isNaN(end) ? scene.now : end);
      if (Math.abs(x - last) < 9 && scene.selected?.row !== row) continue;
      pen.failure(x, top + 11, kind);
      if (scene.selected?.row === row) pen.box(x - 8, top + 3, 16, 16, 3, null, pen.ink.ink, 1.5);
      last = x;
    }
  }

  private criticalPath(scene: Scene, pen: Pen, shift: number): void {
    if (scene.path.length < 2) return;
    const { ctx } = pen;
    const laneOf = new Map<number, Lane>();
    for (const lane of this.lanes) if (lane.group) laneOf.set(lane.group.at, lane);
    ctx.strokeStyle = pen.ink.ink;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    let first = true;
    let last = 0;
    for (const row of scene.path) {
      const lane = laneOf.get(scene.model.group[row] ?? -1);
      if (!lane) continue;
      const y = lane.top - shift + foldedOf(lane.group) - 2;
      const end = scene.model.end[row] ?? NaN;
      // Down where the one before ended: the gap to the start is what was waited.
      if (first) ctx.moveTo(this.x(scene, scene.model.start[row] ?? 0), y);
      else ctx.lineTo(last, y);
      last = this.x(scene, Number.isNaN(end) ? scene.now : end);
      ctx.lineTo(last, y);
      first = false;
    }
    ctx.stroke();
  }

  hit(scene: Scene, x: number, y: number): Hit | null {
    const at = y - scene.camera.y;
    const lane = this.lanes.find((each) => at >= each.top && at < each.top + each.height);
    if (!lane?.group || y < AXIS) return null;
    const { group } = lane;
    if (x < 18 && group.rows.length > 1) return { group: group.at, act: "fold" };
    if (x < gutterOf(scene)) return { group: group.at };
    const ms = this.ms(scene, x);
    const slack = Math.abs(this.ms(scene, x + 4) - ms);
    if (lane.slots) {
      const folded = FOLDED;
      const each = (lane.height - folded - 6) / Math.max(1, lane.slots.count);
      const slot = Math.floor((at - lane.top - folded) / each);
      for (const row of group.rows) {
        if (lane.slots.slot.get(row) !== slot) continue;
        const end = scene.model.end[row] ?? NaN;
        if (
          ms >= (scene.model.start[row] ?? 0) - slack &&
          ms <= (Number.isNaN(end) ? scene.now : end) + slack
        )
          return { group: group.at, row };
      }
    }
    const failed = group.rows.find((row) => {
      const kind = scene.model.kind(row);
      return (
        (kind === "failed" || kind === "crashed") &&
        Math.abs(this.x(scene, scene.model.end[row] ?? 0) - x) < 8
      );
    });
    if (failed !== undefined) return { group: group.at, row: failed };
    return group.rows.length === 1 ? { group: group.at, row: group.rows[0] } : { group: group.at };
  }
}
