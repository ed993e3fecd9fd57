/** Where the reader looks, as a word of the address: "0.512,-40,3.2" is what lies in the middle, and the zoom. */

import type { Camera } from "./view";

/** A view that scrolls stretches time alone: its middle is a part of the width, its `y` is pixels. */
export function lookOf({ x, y, k }: Camera, width: number, scrolls: boolean): string {
  const middle = (width / 2 - x) / k;
  return [scrolls ? middle / width : middle, y, k].map((each) => Number(each.toPrecision(5))).join(",");
}

/** The camera of such a word in a picture of any width; null when the word says nothing. */
export function cameraOf(word: string, width: number, scrolls: boolean): Camera | null {
  const [middle = NaN, y = NaN, k = NaN] = word.split(",").map(Number);
  if (!Number.isFinite(middle + y + k) || k <= 0) return null;
  return { x: width / 2 - (scrolls ? middle * width : middle) * k, y, k };
}
