import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Deployment } from "@/data/deployments";
import { useClock } from "@/data/preferences";
import { type Planned, upcomingQuery } from "@/data/upcoming";
import { Button } from "@/parts/Button";
import { Loaded } from "@/parts/places";
import { Ago, Time } from "@/parts/Time";
import { duration } from "@/words/numbers";
import { dayOf } from "@/words/times";
import { useDateActions } from "./changingDates";
import { MoveDialog } from "./MoveDialog";
import { scheduleWords } from "./scheduleWords";

const SHOWN = 12;

export function useUpcomingOf(deployment: string, count = SHOWN) {
  const clock = useClock();
  const zone = clock.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return useQuery(
    upcomingQuery({
      start: dayOf(new Date(), clock),
      days: 1,
      zone,
      deployment_id: deployment,
      next_count: count,
    }),
  );
}

/** The coming dates of a deployment, each with what can be done to it. */
export function UpcomingTab({ deployment }: { deployment: Deployment }) {
  const navigate = useNavigate();
  const [count, setCount] = useState(SHOWN);
  const query = useUpcomingOf(deployment.id, count);
  const [moving, setMoving] = useState<Planned | null>(null);
  const actions = useDateActions(() => deployment.name);
  return (
    <Loaded query={query} what="What comes next" rows={6}>
      {(data) => {
        const usual = data.deployments[0]?.usual;
        const numbers = new Map(deployment.schedules.map((each, at) => [each.id, at + 1]));
        const words = new Map(
          deployment.schedules.map((each) => [each.id, each.slug ?? scheduleWords(each.schedule)]),
        );
        if (data.next.length === 0)
          return (
            <p className="note dep-none">
              {deployment.paused
                ? "The deployment is paused: its schedules start nothing."
                : "Nothing is planned: add a schedule, or run it by hand."}
            </p>
          );
        return (
          <div className="ups">
            {data.next.map((date) => (
              <div
                key={`${date.schedule_id} ${date.at} ${date.run_id}`}
                className={date.skipped ? "up off" : "up"}
              >
                <span className="b">
                  <Time at={date.at} />
                </span>
                <span className="q">
                  <Ago at={date.at} />
                </span>
                <span className="cut m" title={words.get(date.schedule_id ?? "")}>
                  {date.schedule_id && numbers.has(date.schedule_id) && (
                    <span className="sn">{numbers.get(date.schedule_id)}</span>
                  )}
                  {date.schedule_id ? words.get(date.schedule_id) : (date.run_name ?? "by hand")}
                  {date.slot_at && !date.schedule_id && <span className="q"> moved</span>}
                </span>
                <span className="q sm">
                  {date.skipped ? "skipped by hand" : usual ? `~${duration(usual.median_s)}` : ""}
                </span>
                <span className="row gap1">
                  {date.skipped ? (
                    <Button small quiet onClick={() => void actions.putBack(date)}>
                      Put back
                    </Button>
                  ) : (
                    <>
                      <Button small quiet onClick={() => void actions.skip(date)}>
                        Skip
                      </Button>
                      <Button small quiet onClick={() => setMoving(date)}>
                        Move
                      </Button>
                      <Button
                        small
                        quiet
                        onClick={() =>
                          void actions
                            .runNow(date)
                            .then((run) => (run ? navigate({ to: `/runs/${run}` }) : undefined))
                        }
                      >
                        Run now
                      </Button>
                    </>
                  )}
                </span>
              </div>
            ))}
            {data.next.length >= count && (
              <div className="row dep-more">
                <Button small quiet onClick={() => setCount(count + 40)}>
                  Show later ones
                </Button>
              </div>
            )}
            {moving && (
              <MoveDialog
                date={moving}
                name={deployment.name}
                onClose={() => setMoving(null)}
                onMove={(to) => {
                  setMoving(null);
                  void actions.move(moving, to);
                }}
              />
            )}
          </div>
        );
      }}
    </Loaded>
  );
}
