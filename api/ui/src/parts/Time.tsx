import { lately, useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import { age, duration } from "@/words/numbers";
import { hoverOf, moment, timeOfDay, timeWithMillis, toDate } from "@/words/times";
import { copy } from "./copying";

type Style = "moment" | "time" | "millis";

/** "3 m ago", "in 12 s". */
export function relative(at: number, now: number): string {
  const seconds = (now - at) / 1000;
  return seconds >= 0 ? `${age(seconds)} ago` : `in ${age(-seconds)}`;
}

/** A moment in the reader's zone: hover gives relative time, UTC and ISO; a click copies the ISO form. */
export function Time({ at, style = "moment" }: { at: string | number | null | undefined; style?: Style }) {
  const clock = useClock();
  if (at === null || at === undefined) return <span className="q">none</span>;
  const date = toDate(at);
  const now = lately();
  const text =
    style === "time"
      ? timeOfDay(date, clock)
      : style === "millis"
        ? timeWithMillis(date, clock)
        : moment(date, new Date(now), clock);
  const iso = date.toISOString();
  return (
    <time
      dateTime={iso}
      title={hoverOf(date, relative(date.getTime(), now))}
      onClick={(event) => {
        if (event.detail === 1 && !event.currentTarget.closest("a,button,tr")) void copy(iso, "Time");
      }}
    >
      {text}
    </time>
  );
}

/** How long ago, or until: counts by itself. */
export function Ago({ at }: { at: string | number }) {
  const now = useNow();
  const date = toDate(at);
  return (
    <time dateTime={date.toISOString()} title={hoverOf(date, relative(date.getTime(), now))}>
      {relative(date.getTime(), now)}
    </time>
  );
}

/** The length of something from its start to its end; still counting while it has none. */
export function Took({ start, end }: { start: string | null | undefined; end?: string | null }) {
  if (!start) return <span className="q">none</span>;
  if (end)
    return <span title={`until ${end}`}>{duration((Date.parse(end) - Date.parse(start)) / 1000)}</span>;
  return <Counting start={start} />;
}

function Counting({ start }: { start: string }) {
  const now = useNow();
  return <span>{duration(Math.floor((now - Date.parse(start)) / 1000))}</span>;
}

/** How long since a moment: counts by itself, and turns orange when that is too long. */
export function Counted({ since, lateAfter = Infinity }: { since: string; lateAfter?: number }) {
  const now = useNow();
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  return (
    <span className={seconds > lateAfter ? "t-late" : undefined} title={`since ${since}`}>
      {seconds < 60 ? `${seconds} s` : duration(seconds)}
    </span>
  );
}
