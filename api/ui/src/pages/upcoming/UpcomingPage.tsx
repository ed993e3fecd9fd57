import { useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useMemo } from "react";
import { poolsQuery } from "@/data/deployments";
import { useClock } from "@/data/preferences";
import { upcomingQuery, type Planned } from "@/data/upcoming";
import { useUrlStates } from "@/data/urlState";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { counted } from "@/words/numbers";
import { dayOf } from "@/words/times";
import { dayStart, fromWallText } from "@/words/zoned";
import { useDateActions } from "../deployments/changingDates";
import { Beside } from "./Beside";
import { LoadRow } from "./LoadRow";
import { MonthGrid } from "./MonthGrid";
import { UpcomingList } from "./UpcomingList";
import "./upcoming.css";
import { WeekCalendar } from "./WeekCalendar";

type View = "list" | "day" | "week" | "month";
const DAYS: Record<View, number> = { list: 7, day: 1, week: 7, month: 35 };
const VIEWS = [
  { value: "list", text: "List" },
  { value: "day", text: "Day" },
  { value: "week", text: "Week" },
  { value: "month", text: "Month" },
] as const satisfies readonly { value: View; text: string }[];

export default function UpcomingPage() {
  const clock = useClock();
  const [search, setSearch] = useUrlStates();
  const isPhone = window.matchMedia("(max-width: 720px)").matches;
  const view: View = VIEWS.find((each) => each.value === search["view"])?.value ?? (isPhone ? "day" : "week");
  const days = DAYS[view];
  const today = dayOf(new Date(), clock);
  const asked = typeof search["from"] === "string" ? search["from"] : "";
  const first = fromWallText(asked, clock.zone) ? asked : today;
  const pool = typeof search["pool"] === "string" ? search["pool"] : "";
  const zone = clock.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const query = useQuery(
    upcomingQuery({
      start: first,
      days,
      zone,
      pool: pool || undefined,
      next_count: view === "list" ? 300 : 40,
    }),
  );
  const pools = useQuery(poolsQuery).data ?? [];
  const starts = useMemo(() => {
    const start = fromWallText(first, clock.zone) ?? new Date();
    return Array.from({ length: days + 1 }, (_, at) => dayStart(start, clock.zone, at).getTime());
  }, [first, days, clock]);
  const names = new Map(query.data?.deployments.map((each) => [each.id, `${each.flow_name} / ${each.name}`]));
  const actions = useDateActions((date: Planned) => names.get(date.deployment_id) ?? "The run");
  const shift = (by: number) => {
    const to = dayOf(dayStart(new Date(starts[0] ?? Date.now()), clock.zone, by * days), clock);
    setSearch({ from: to === today ? undefined : to });
  };
  const total = query.data?.days.reduce((sum, each) => sum + each, 0) ?? 0;
  const active = new Set(query.data?.deployments.filter((each) => !each.paused).map((each) => each.id));
  const schedules =
    query.data?.schedules.filter((each) => each.active && active.has(each.deployment_id)).length ?? 0;
  return (
    <>
      <Title
        title="Upcoming"
        sub={
          query.data &&
          `${counted(total, "run")} in ${counted(days, "day")}, from ${counted(schedules, "schedule")} of ${counted(active.size, "deployment")}`
        }
      >
        <Segmented
          label="View"
          value={view}
          choices={VIEWS}
          onChange={(value) => setSearch({ view: value === "week" && !isPhone ? undefined : value })}
        />
        <span className="seg" role="group" aria-label="Which days">
          <button type="button" aria-label="Earlier" onClick={() => shift(-1)}>
            <ChevronLeft className="i s" />
          </button>
          <button type="button" onClick={() => setSearch({ from: undefined })}>
            Today
          </button>
          <button type="button" aria-label="Later" onClick={() => shift(1)}>
            <ChevronRight className="i s" />
          </button>
        </span>
        <span className="in up-pool">
          <select
            aria-label="Work pool"
            value={pool}
            onChange={(event) => setSearch({ pool: event.target.value || undefined })}
          >
            <option value="">All pools</option>
            {pools.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
          </select>
        </span>
      </Title>
      <Loaded query={query} what="What is going to start">
        {(data) =>
          data.schedules.length === 0 && data.planned.length === 0 && data.next.length === 0 ? (
            <Empty
              title="Nothing is scheduled"
              text="Schedules of deployments show here, a week at a glance."
              command="heliostat deployment schedule create etl/nightly --cron '30 6 * * *'"
            >
              {pool && <Button onClick={() => setSearch({ pool: undefined })}>Show all pools</Button>}
            </Empty>
          ) : (
            <div className="cols up-cols bt grow0">
              <div className="up-main">
                {view === "list" && <UpcomingList data={data} actions={actions} />}
                {view === "month" && (
                  <MonthGrid
                    data={data}
                    starts={starts}
                    onOpen={(day) => setSearch({ view: "day", from: day })}
                  />
                )}
                {(view === "week" || view === "day") && (
                  <>
                    <WeekCalendar data={data} starts={starts} actions={actions} />
                    <LoadRow data={data} starts={starts} pools={pools} pool={pool} />
                  </>
                )}
              </div>
              <Beside data={data} pools={pools} />
            </div>
          )
        }
      </Loaded>
    </>
  );
}
