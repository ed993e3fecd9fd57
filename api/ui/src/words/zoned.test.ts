import { expect, it } from "vitest";
import { dayStart, fromWallText, wallText } from "./zoned";

const BERLIN = "Europe/Berlin";

it("A wall clock and a moment mean each other, on both sides of a clock change", () => {
  for (const text of [
    "2026-11-26T14:30:00",
    "2026-03-29T01:59:59",
    "2026-03-29T03:00:00",
    "2026-10-25T04:00:00",
  ]) {
    const at = fromWallText(text, BERLIN);
    expect(at && wallText(at, BERLIN)).toBe(text);
  }
  expect(fromWallText("soon", BERLIN)).toBeNull();
});

it("A day that the clocks change in is not 24 hours long", () => {
  const noon = new Date("2026-10-25T12:00:00Z");
  expect(dayStart(noon, BERLIN, 1).getTime() - dayStart(noon, BERLIN).getTime()).toBe(25 * 3_600_000);
});
