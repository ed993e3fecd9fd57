/** The part of a canvas context that the views draw with, written as SVG. */

type Saved = { transform: string; alpha: number; clip: string | null };

const escape = (text: string) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const n = (value: number) => String(Math.round(value * 100) / 100);

export class SvgContext {
  fillStyle = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  font = "12px sans-serif";
  textAlign: CanvasTextAlign = "left";
  globalAlpha = 1;
  private readonly parts: string[] = [];
  private readonly measure = document.createElement("canvas").getContext("2d");
  private path: string[] = [];
  private dash: number[] = [];
  private transform = "";
  private clipped: string | null = null;
  private clips = 0;
  private readonly stack: Saved[] = [];

  save(): void {
    this.stack.push({ transform: this.transform, alpha: this.globalAlpha, clip: this.clipped });
  }

  restore(): void {
    const saved = this.stack.pop();
    if (!saved) return;
    this.transform = saved.transform;
    this.globalAlpha = saved.alpha;
    this.clipped = saved.clip;
  }

  translate(x: number, y: number): void {
    this.transform += ` translate(${n(x)} ${n(y)})`;
  }

  scale(x: number, y: number): void {
    this.transform += ` scale(${x} ${y})`;
  }

  clip(): void {
    this.clips += 1;
    this.parts.push(`<clipPath id="c${this.clips}"><path d="${this.path.join("")}"/></clipPath>`);
    this.clipped = `c${this.clips}`;
  }

  beginPath(): void {
    this.path = [];
  }

  moveTo(x: number, y: number): void {
    this.path.push(`M${n(x)} ${n(y)}`);
  }

  lineTo(x: number, y: number): void {
    this.path.push(`${this.path.length ? "L" : "M"}${n(x)} ${n(y)}`);
  }

  bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number): void {
    this.path.push(`C${n(a)} ${n(b)} ${n(c)} ${n(d)} ${n(x)} ${n(y)}`);
  }

  closePath(): void {
    this.path.push("Z");
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.path.push(`M${n(x)} ${n(y)}h${n(width)}v${n(height)}h${n(-width)}Z`);
  }

  roundRect(x: number, y: number, width: number, height: number, radius: number): void {
    const r = Math.max(0, Math.min(radius, width / 2, height / 2));
    const [w, h] = [width - 2 * r, height - 2 * r];
    const turn = (dx: number, dy: number) => `a${n(r)} ${n(r)} 0 0 1 ${n(dx)} ${n(dy)}`;
    this.path.push(
      `M${n(x + r)} ${n(y)}h${n(w)}${turn(r, r)}v${n(h)}${turn(-r, r)}h${n(-w)}${turn(-r, -r)}v${n(-h)}${turn(r, -r)}Z`,
    );
  }

  arc(x: number, y: number, r: number, from: number, to: number, back = false): void {
    const sweep = Math.min(Math.abs(to - from), 2 * Math.PI - 0.001);
    const end = from + (back ? -sweep : sweep);
    const begin = `${this.path.length ? "L" : "M"}${n(x + r * Math.cos(from))} ${n(y + r * Math.sin(from))}`;
    this.path.push(
      `${begin}A${n(r)} ${n(r)} 0 ${sweep > Math.PI ? 1 : 0} ${back ? 0 : 1} ${n(x + r * Math.cos(end))} ${n(y + r * Math.sin(end))}`,
    );
  }

  setLineDash(dash: number[]): void {
    this.dash = dash;
  }

  fill(): void {
    this.put(`<path d="${this.path.join("")}" fill="${escape(this.fillStyle)}"`);
  }

  stroke(): void {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
    this.put(
      `<path d="${this.path.join("")}" fill="none" stroke="${escape(this.strokeStyle)}" stroke-width="${n(this.lineWidth)}"${dash}`,
    );
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.put(
      `<rect x="${n(x)}" y="${n(y)}" width="${n(Math.max(0, width))}" height="${n(Math.max(0, height))}" fill="${escape(this.fillStyle)}"`,
    );
  }

  strokeRect(x: number, y: number, width: number, height: number): void {
    this.put(
      `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" fill="none" stroke="${escape(this.strokeStyle)}" stroke-width="${n(this.lineWidth)}"`,
    );
  }

  measureText(text: string): { width: number } {
    if (!this.measure) return { width: text.length * 6.5 };
    this.measure.font = this.font;
    return this.measure.measureText(text);
  }

  fillText(text: string, x: number, y: number): void {
    const anchor = this.textAlign === "center" ? "middle" : this.textAlign === "right" ? "end" : "start";
    this.put(
      `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}" fill="${escape(this.fillStyle)}" style="font:${escape(this.font)}"`,
      `>${escape(text)}</text>`,
    );
  }

  document(width: number, height: number, background: string): string {
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
      `<rect width="100%" height="100%" fill="${escape(background)}"/>${this.parts.join("")}</svg>`
    );
  }

  private put(tag: string, rest = "/>"): void {
    const transform = this.transform ? ` transform="${this.transform.trim()}"` : "";
    const alpha = this.globalAlpha < 1 ? ` opacity="${n(this.globalAlpha)}"` : "";
    // A clip is of the place where it was made, which the transform of a single mark would move.
    const body = `${tag}${transform}${alpha}${rest}`;
    this.parts.push(this.clipped && !transform ? `<g clip-path="url(#${this.clipped})">${body}</g>` : body);
  }
}
