/** Pictures kept between frames: while the reader moves, what costs much is moved and scaled, and drawn anew at rest. */

const MOST_PIXELS = 4_000_000;

type Kept = { canvas: HTMLCanvasElement; key: string; k: number };

export class Sheets {
  private readonly kept = new Map<string, Kept>();

  /**
   * Draw a picture of `width` × `height` at zoom `k` with its corner at (x, y). It is painted only when `key`
   * changed, or its zoom, unless the reader is moving. False when it is too large to be kept.
   */
  put(
    ctx: CanvasRenderingContext2D,
    name: string,
    key: string,
    at: { x: number; y: number; width: number; height: number; k: number; isMoving: boolean },
    paint: (ctx: CanvasRenderingContext2D) => void,
  ): boolean {
    if (!(ctx.canvas instanceof HTMLCanvasElement)) return false; // a file is written
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.ceil(at.width * ratio);
    const tall = Math.ceil(at.height * ratio);
    let found = this.kept.get(name);
    const scaled = found ? at.k / found.k : 1;
    const isGood = found?.key === key && (scaled === 1 || (at.isMoving && scaled > 0.4 && scaled < 2.5));
    if (!isGood || !found) {
      if (wide < 1 || tall < 1 || wide * tall > MOST_PIXELS) return false;
      const canvas = found?.canvas ?? document.createElement("canvas");
      canvas.width = wide;
      canvas.height = tall;
      const own = canvas.getContext("2d");
      if (!own) return false;
      own.setTransform(ratio, 0, 0, ratio, 0, 0);
      paint(own);
      found = { canvas, key, k: at.k };
      this.kept.set(name, found);
    }
    ctx.drawImage(found.canvas, at.x, at.y, at.width, at.height);
    return true;
  }
}
