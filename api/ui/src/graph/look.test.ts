import { describe, expect, it } from "vitest";
import { cameraOf, lookOf } from "./look";

describe("where the reader looks", () => {
  it("comes back from the address", () => {
    const camera = { x: -120, y: -40, k: 3.5 };
    for (const scrolls of [true, false]) {
      const back = cameraOf(lookOf(camera, 900, scrolls), 900, scrolls);
      expect(back?.x).toBeCloseTo(camera.x, 1);
      expect([back?.y, back?.k]).toEqual([-40, 3.5]);
    }
  });

  it("keeps the same moment in the middle of a wider picture", () => {
    const word = lookOf({ x: -450, y: 0, k: 2 }, 900, true);
    expect(cameraOf(word, 1800, true)?.x).toBeCloseTo(-900, 1);
  });

  it.each(["", "x", "1,2", "1,2,0", "1,2,-3", "NaN,0,1"])("%j says nothing", (word) => {
    expect(cameraOf(word, 900, true)).toBeNull();
  });
});
