/** A few words beside a chosen task, on the canvas. */

import { duration } from "@/words/numbers";
import { wordOf } from "@/words/states";
import type { Pen } from "./ink";
import { chainOf, type Scene } from "./view";

const WIDE = 224;

export function wordsOf(scene: Scene, row: number): { text: string; isBad: boolean } {
  const { model } = scene;
  const kind = model.kind(row);
  const isBad = kind === "failed" || kind === "crashed";
  const [type, name] = model.stateName(row);
  const took = model.took(row, scene.now);
  const tries = model.tries[row] as number;
  const parts = [
    isBad
      ? ((model.messages.get(row) ?? "").split("\n")[0] as string) || wordOf(type, name)
      : wordOf(type, name),
  ];
  if (!isBad && !Number.isNaN(took)) parts.push(duration(took / 1000));
  if (tries > 1) parts.push(`${tries} tries`);
  return { text: parts.join(", "), isBad };
}

/** Name, state and how it went; a line from the task to it. `x` is where there is room beside its card. */
export function callout(scene: Scene, pen: Pen, row: number, px: number, py: number, x: number): void {
  const { ink, ctx } = pen;
  const words = wordsOf(scene, row);
  const { model } = scene;
  const node = model.nodes[model.node[row] as number];
  const took = model.took(row, scene.now);
  const third = [words.isBad && !Number.isNaN(took) ? duration(took / 1000) : "", node ?? ""]
    .filter(Boolean)
    .join(", ");
  const height = third ? 66 : 50;
  const left = Math.max(8, Math.min(x, scene.width - WIDE - 12));
  const top = Math.max(8, Math.min(py + 26, scene.height - height - 12));
  pen.line(px, py, left, top + 20, ink.ink, 1);
  floating(pen, left, top, WIDE, height);
  stateMark(pen, model.kind(row), left + 17, top + 17);
  pen.text(model.name(row), left + 30, top + 21, ink.ink, { weight: 500, most: WIDE - 42 });
  pen.text(words.text, left + 12, top + 39, words.isBad ? ink.failedInk : ink.ink2, {
    size: 11.5,
    most: WIDE - 24,
  });
  if (third) pen.text(third, left + 12, top + 55, ink.ink3, { size: 11.5, most: WIDE - 24 });
  ctx.globalAlpha = 1;
}

/** The chosen item in every group of its chain. */
export function itemNote(scene: Scene, pen: Pen, row: number, px: number, py: number): void {
  const { model } = scene;
  const { ink } = pen;
  const item = model.index[row] as number;
  const rows = chainOf(scene, model.group[row] as number)
    .map((group) => model.groups[group]?.byIndex.get(item))
    .filter((each) => each !== undefined);
  const shown = rows.slice(0, 8);
  const height = 36 + shown.length * 17;
  let left = px + 10;
  if (left + WIDE > scene.width - 8) left = Math.max(8, px - WIDE - 10);
  const top = Math.max(8, Math.min(py - 4, scene.height - height - 12));
  floating(pen, left, top, WIDE, height);
  pen.text(rows.length > 1 ? `Item ${item}` : model.name(row), left + 12, top + 20, ink.ink, {
    weight: 500,
    most: WIDE - 24,
  });
  for (const [at, each] of shown.entries()) {
    const y = top + 39 + at * 17;
    const words = wordsOf(scene, each);
    stateMark(pen, model.kind(each), left + 17, y - 4);
    const name = pen.text(model.groupFor(each).name, left + 28, y, ink.ink, { size: 11.5, most: 104 });
    pen.text(words.text, left + WIDE - 10, y, words.isBad ? ink.failedInk : ink.ink3, {
      size: 11.5,
      align: "right",
      most: WIDE - 46 - name,
    });
  }
}

function floating(pen: Pen, x: number, y: number, w: number, h: number): void {
  const { ctx, ink } = pen;
  ctx.save();
  ctx.shadowColor = "rgba(0,0,0,.18)";
  ctx.shadowBlur = 18;
  ctx.shadowOffsetY = 5;
  pen.box(x, y, w, h, 6, ink.raise, null);
  ctx.restore();
  pen.box(x + 0.5, y + 0.5, w - 1, h - 1, 6, null, ink.line2);
}

function stateMark(pen: Pen, kind: ReturnType<Scene["model"]["kind"]>, x: number, y: number): void {
  if (kind === "failed" || kind === "crashed") return pen.failure(x, y, kind);
  const { ctx, ink } = pen;
  ctx.beginPath();
  ctx.arc(x, y, 4, 0, 7);
  if (kind === "pending" || kind === "scheduled") {
    ctx.strokeStyle = ink.of[kind];
    ctx.lineWidth = 1.5;
    ctx.stroke();
  } else {
    ctx.fillStyle = ink.of[kind];
    ctx.fill();
  }
}
