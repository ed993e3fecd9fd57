/** Moments in the zone that the reader chose: the browser's unless the settings name another. */

export type Clock = { zone: string | undefined; hour12: boolean };

const made = new Map<string, Intl.DateTimeFormat>();

function format(clock: Clock, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${clock.zone ?? ""} ${clock.hour12} ${name}`;
  let found = made.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: clock.zone, hour12: clock.hour12 });
    made.set(key, found);
  }
  return found;
}

export function toDate(value: string | number | Date): Date {
  return value instanceof Date ? value : new Date(value);
}

/** 14:32:58 */
export function timeOfDay(at: Date, clock: Clock): string {
  return format(clock, "time", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);
}

/** 14:32 */
export function hourMinute(at: Date, clock: Clock): string {
  return format(clock, "minute", { hour: "2-digit", minute: "2-digit" }).format(at);
}

/** 14:33:10.871 */
export function timeWithMillis(at: Date, clock: Clock): string {
  return format(clock, "millis", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  }).format(at);
}

/** 2026-11-26, in the reader's zone: days are compared by it. */
export function dayOf(at: Date, clock: Clock): string {
  const parts = format(clock, "day", { year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** Thu 26 Nov */
export function dayName(at: Date, clock: Clock): string {
  return format(clock, "dayname", { weekday: "short", day: "numeric", month: "short" })
    .format(at)
    .replace(",", "");
}

/** Thursday 26 November */
export function longDay(at: Date, clock: Clock): string {
  return format(clock, "longday", { weekday: "long", day: "numeric", month: "long" })
    .format(at)
    .replace(",", "");
}

/** The time alone on the same day, with the day otherwise; the year when it is another. */
export function moment(at: Date, now: Date, clock: Clock): string {
  if (dayOf(at, clock) === dayOf(now, clock)) return timeOfDay(at, clock);
  const year = dayOf(at, clock).slice(0, 4);
  const day = format(clock, "short", { day: "numeric", month: "short" }).format(at);
  if (year === dayOf(now, clock).slice(0, 4)) return `${day} ${hourMinute(at, clock)}`;
  return `${day} ${year}`;
}

/** Everything that a moment's hover shows: relative, UTC and ISO. */
export function hoverOf(at: Date, relative: string): string {
  const iso = at.toISOString();
  return `${relative}\n${iso.slice(0, 10)} ${iso.slice(11, 23)} UTC\n${iso}`;
}

export function zoneName(clock: Clock): string {
  const zone = clock.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (zone.split("/").pop() ?? zone).replaceAll("_", " ");
}

/** Seconds from one moment to another, both as the server writes them: to the microsecond. */
export function secondsBetween(start: string, end: string): number {
  const micros = (iso: string) => Number((/\.(\d+)/.exec(iso)?.[1] ?? "").padEnd(6, "0").slice(3, 6));
  return (Date.parse(end) - Date.parse(start)) / 1000 + (micros(end) - micros(start)) / 1e6;
}
