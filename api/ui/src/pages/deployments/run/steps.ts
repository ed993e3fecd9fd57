/** The values of a date parameter over a range: one run each. */

import { atWall, fromWallText, wallOf } from "@/words/zoned";

export type Step = "hour" | "day" | "week" | "month";
export const MOST_RUNS = 100;

/** The begins of all steps from the first to the last, on the reader's wall clock; one more than may be run. */
export function stepsBetween(first: string, last: string, step: Step, zone: string | undefined): Date[] {
  const start = fromWallText(first, zone);
  const end = fromWallText(last, zone);
  if (!start || !end) return [];
  const wall = wallOf(start, zone);
  const found: Date[] = [];
  for (let number = 0; found.length <= MOST_RUNS; number += 1) {
    const at =
      step === "hour"
        ? new Date(start.getTime() + number * 3_600_000)
        : atWall(
            {
              ...wall,
              month: wall.month + (step === "month" ? number : 0),
              day: wall.day + (step === "day" ? number : step === "week" ? 7 * number : 0),
            },
            zone,
          );
    if (at > end) break;
    found.push(at);
  }
  return found;
}

const two = (value: number) => String(value).padStart(2, "0");

/** A moment as the parameter takes it: a date for dates, the whole moment for the rest. */
export function valueOf(at: Date, format: unknown, zone: string | undefined): string {
  if (format === "date-time") return at.toISOString();
  const { year, month, day, hour, minute } = wallOf(at, zone);
  const date = `${year}-${two(month)}-${two(day)}`;
  return format === "date" || (hour === 0 && minute === 0) ? date : `${date}T${two(hour)}:${two(minute)}:00`;
}
