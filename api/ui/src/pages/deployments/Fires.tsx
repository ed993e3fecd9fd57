import type { ReactNode } from "react";
import type { Preview } from "@/data/deployments";
import { useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import { age, duration } from "@/words/numbers";
import { dayName, hourMinute, timeOfDay, zoneName } from "@/words/times";

type Shown = Extract<Preview, { problem: null }>;

/** The next dates, the first of the next day, and those at which a change of the clocks shows. */
export function Fires({ preview }: { preview: Shown }) {
  const clock = useClock();
  const { dates, next_day: nextDay, clock_changes: changes } = preview;
  if (dates.length === 0) return <p className="note">It has no dates any more.</p>;
  return (
    <div className="fires" role="list" aria-label={`Next dates, ${zoneName(clock)} time`}>
      {dates.map((at, number) => (
        <Fire key={at} at={at} nth={String(number + 1)} />
      ))}
      {nextDay && !dates.includes(nextDay) && (
        <Fire at={nextDay} nth="…" note={<span className="q">first of the day</span>} />
      )}
      {changes.slice(0, 2).map(
        (change) =>
          change.next_date && (
            <Fire
              key={change.at}
              at={change.next_date}
              nth="…"
              note={
                <span className="t-late" title={`By ${duration(Math.abs(change.shift_s))}, ${preview.zone}`}>
                  clock goes {change.shift_s > 0 ? "forward" : "back"}
                </span>
              }
            />
          ),
      )}
    </div>
  );
}

function Fire({ at, nth, note }: { at: string; nth: string; note?: ReactNode }) {
  const clock = useClock();
  const now = useNow();
  const date = new Date(at);
  const exact = date.getUTCSeconds() > 0;
  return (
    <div className="fire" role="listitem" title={date.toISOString()}>
      <span className="nth">{nth}</span>
      <span>{dayName(date, clock)}</span>
      <span className="cut">
        <b className="b">{exact ? timeOfDay(date, clock) : hourMinute(date, clock)}</b> {note}
      </span>
      <span className="q">in {age(Math.max(0, (date.getTime() - now) / 1000))}</span>
    </div>
  );
}
