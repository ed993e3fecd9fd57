/** The words left of the timeline's lanes. */

import { duration, figure, percent } from "@/words/numbers";
import type { Pen } from "./ink";
import { FOLDED, gutterOf, type Lane } from "./lanes";
import { measuresOf, type Slots } from "./measures";
import type { Group } from "./model";
import type { Scene } from "./view";

/** Left of a lane: its name, how many, how far, and how it stands. */
export function drawGutter(scene: Scene, pen: Pen, lane: Lane, top: number): void {
  const { group } = lane;
  const { ink, ctx } = pen;
  const many = group.rows.length > 1;
  const waits = group.first === Infinity;
  if (many) {
    const open = lane.slots !== null;
    ctx.strokeStyle = ink.ink3;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    const points = open ? [6, 10, 9.5, 14, 13, 10] : [8, 8, 12, 12, 8, 16];
    for (let at = 0; at < points.length; at += 2) {
      const [x, y] = [points[at] as number, top + (points[at + 1] as number)];
      if (at === 0) ctx.moveTo(x, y);
      else ctx.lineTo(x, y);
    }
    ctx.stroke();
  }
  const failed = (group.counts.failed ?? 0) + (group.counts.crashed ?? 0);
  const done = group.counts.completed ?? 0;
  const total = group.rows.length;
  const row = group.rows[0] ?? 0;
  const right = failed
    ? many
      ? `${figure(failed)} failed`
      : "failed"
    : waits
      ? "waits"
      : many
        ? done === total
          ? duration(measuresOf(scene.model, group).p50 / 1000)
          : percent(done, total)
        : spoken(scene, row);
  const indent = 20 + 12 * Math.min(3, scene.model.runs[group.run]?.depth ?? 0);
  const rightWidth = pen.text(right, gutterOf(scene) - 12, top + 16, failed ? ink.failedInk : ink.ink3, {
    size: 11.5,
    align: "right",
    weight: failed ? 500 : 400,
  });
  const room = gutterOf(scene) - indent - rightWidth - 22;
  const count = many ? ` ×${figure(total)}` : "";
  const countWidth = many ? pen.ctx.measureText(count).width + 8 : 0;
  const nameWidth = pen.text(group.name, indent, top + 16, waits ? ink.ink2 : ink.ink, {
    size: 12.5,
    weight: 500,
    most: room - countWidth,
  });
  if (many) pen.text(`×${figure(total)}`, indent + nameWidth + 6, top + 16, ink.ink3, { size: 11.5 });
  if (many && lane.slots) nodes(scene, pen, lane, lane.slots, top + FOLDED);
  if (many) progress(pen, group, indent, top + 23, gutterOf(scene) - indent - 12);
}

function progress(pen: Pen, group: Group, x: number, y: number, width: number): void {
  const total = group.rows.length;
  let at = x;
  for (const kind of ["failed", "crashed", "cancelled", "completed", "running", "paused"] as const) {
    const part = group.counts[kind] ?? 0;
    if (!part) continue;
    const wide = Math.max(2, (width * part) / total);
    pen.rect(at, y, Math.min(wide, x + width - at), 4, pen.ink.of[kind]);
    at += wide + 1;
  }
  if (at < x + width - 2) pen.box(at + 0.5, y + 0.5, x + width - at - 1, 3, 1, null, pen.ink.line3, 0.8);
}

/** The nodes of an unfolded lane, beside their rows. */
function nodes(scene: Scene, pen: Pen, lane: Lane, slots: Slots, top: number): void {
  const each = (lane.height - FOLDED - 6) / Math.max(1, slots.count);
  const right = gutterOf(scene) - 12;
  let last = -1e9;
  for (const node of slots.nodes) {
    const y = top + node.first * each;
    const tall = node.count * each;
    pen.line(right + 5, y + 1, right + 5, y + tall - 1, pen.ink.line2, 2);
    const middle = y + tall / 2 + 4;
    if (!node.name || middle - last < 12) continue;
    last = middle;
    pen.text(node.name, right, middle, pen.ink.ink3, { size: 11, align: "right", most: right - 30 });
  }
}

function spoken(scene: Scene, row: number): string {
  const took = scene.model.took(row, scene.now);
  return Number.isNaN(took) ? "" : duration(took / 1000);
}
