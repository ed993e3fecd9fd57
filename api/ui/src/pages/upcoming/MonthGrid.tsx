import { useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import type { Upcoming } from "@/data/upcoming";
import { figure } from "@/words/numbers";
import { dayName, dayOf } from "@/words/times";

const NAMED = 4;

/** Five weeks: how many runs each day has, and which single ones. */
export function MonthGrid({
  data,
  starts,
  onOpen,
}: {
  data: Upcoming;
  starts: readonly number[];
  onOpen: (day: string) => void;
}) {
  const clock = useClock();
  const now = useNow();
  const most = Math.max(...data.days, 1);
  const names = new Map(data.deployments.map((each) => [each.id, each.flow_name]));
  return (
    <div className="month">
      {data.days.map((count, at) => {
        const start = starts[at] ?? 0;
        const end = starts[at + 1] ?? start;
        const single = data.planned.filter(
          (each) => !each.skipped && Date.parse(each.at) >= start && Date.parse(each.at) < end,
        );
        const shown = [...new Set(single.map((each) => names.get(each.deployment_id) ?? ""))];
        const isToday = now >= start && now < end;
        return (
          <button
            key={start}
            type="button"
            className="mday"
            onClick={() => onOpen(dayOf(new Date(start), clock))}
          >
            <span className={isToday ? "dh today" : "dh"}>
              {dayName(new Date(start), clock)} <span className="q">{count > 0 ? figure(count) : ""}</span>
            </span>
            <span className="mbar" style={{ width: `${(100 * count) / most}%` }} />
            {shown.slice(0, NAMED).map((name) => (
              <span key={name} className="cut sm m">
                {name}
              </span>
            ))}
            {shown.length > NAMED && <span className="q sm">and {shown.length - NAMED} more</span>}
          </button>
        );
      })}
    </div>
  );
}
