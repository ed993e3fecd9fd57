import { useNow } from "@/data/now";
import { counted } from "@/words/numbers";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const CELL = 11.5;
const LEFT = 30;

/** The hours of the week in which it fires, on the schedule's own clock; the present hour is framed. */
export function WeekGrid({ hours, zone }: { hours: number[][]; zone: string }) {
  const now = useNow();
  const parts = new Intl.DateTimeFormat("en-GB", {
    weekday: "short",
    hour: "2-digit",
    hourCycle: "h23",
    timeZone: zone,
  }).formatToParts(new Date(now));
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  const today = DAYS.indexOf(part("weekday"));
  const hour = Number(part("hour"));
  const busy = hours.flat().filter((count) => count > 0).length;
  return (
    <svg
      className="wk"
      viewBox="0 0 308 94"
      width="100%"
      role="img"
      aria-label={`It fires in ${counted(busy, "hour")} of the coming week, ${zone}`}
    >
      {DAYS.map((name, day) => (
        <g key={name}>
          <text x={0} y={9 + day * 11}>
            {name}
          </text>
          {(hours[day] ?? []).map((count, at) => (
            <rect
              key={at}
              className={count > 0 ? "f-sch" : "f-off"}
              x={LEFT + at * CELL}
              y={1 + day * 11}
              width={CELL - 1.5}
              height={9}
              rx={2}
            >
              <title>{`${name} ${String(at).padStart(2, "0")} h: ${count === 0 ? "none" : counted(count, "run")}`}</title>
            </rect>
          ))}
        </g>
      ))}
      {["00", "06", "12", "18"].map((text, at) => (
        <text key={text} x={LEFT + at * 6 * CELL} y={90}>
          {text}
        </text>
      ))}
      {today >= 0 && (
        <rect
          x={LEFT + hour * CELL - 1}
          y={today * 11}
          width={CELL + 0.5}
          height={11}
          rx={2}
          fill="none"
          stroke="var(--sun-edge)"
          strokeWidth={2}
        />
      )}
    </svg>
  );
}
