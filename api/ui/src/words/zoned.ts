/** Wall clock and moment in any zone, both ways. */

type Wall = { year: number; month: number; day: number; hour: number; minute: number; second: number };

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string | undefined): Intl.DateTimeFormat {
  const key = zone ?? "";
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formats.set(key, found);
  }
  return found;
}

/** What the clock on the wall shows at a moment. */
export function wallOf(at: Date, zone: string | undefined): Wall {
  const wall: Record<string, number> = {};
  for (const part of formatOf(zone).formatToParts(at)) wall[part.type] = Number(part.value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = wall;
  return { year, month, day, hour, minute, second };
}

/** The moment at which the clock on the wall shows this; days and hours may run over their ends. */
export function atWall(wall: Partial<Wall> & { year: number }, zone: string | undefined): Date {
  const { year, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = wall;
  const wanted = Date.UTC(year, month - 1, day, hour, minute, second);
  const off = (at: number) => {
    const seen = wallOf(new Date(at), zone);
    return Date.UTC(seen.year, seen.month - 1, seen.day, seen.hour, seen.minute, seen.second) - at;
  };
  const first = wanted - off(wanted);
  return new Date(wanted - off(first));
}

const two = (value: number) => String(value).padStart(2, "0");

/** "2026-11-26T14:30:00", as inputs for date and time take it. */
export function wallText(at: Date, zone: string | undefined): string {
  const wall = wallOf(at, zone);
  const day = `${wall.year}-${two(wall.month)}-${two(wall.day)}`;
  return `${day}T${two(wall.hour)}:${two(wall.minute)}:${two(wall.second)}`;
}

/** The moment that such a text means in a zone; null when it is none. */
export function fromWallText(text: string, zone: string | undefined): Date | null {
  const found = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?)?/.exec(text);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1).map((part) => Number(part ?? 0));
  return atWall({ year: year ?? 0, month, day, hour, minute, second }, zone);
}

/** Midnight of the day that holds a moment, some days on. */
export function dayStart(at: Date, zone: string | undefined, days = 0): Date {
  const { year, month, day } = wallOf(at, zone);
  return atWall({ year, month, day: day + days }, zone);
}
