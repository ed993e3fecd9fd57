import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { changeSchedule, type Pool, resumeDeployment } from "@/data/deployments";
import { useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import type { Upcoming } from "@/data/upcoming";
import { act } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { SectionHead } from "@/parts/page";
import { StateGlyph } from "@/parts/StateGlyph";
import { Ago } from "@/parts/Time";
import { age, counted, duration } from "@/words/numbers";
import { dayName, dayOf, hourMinute } from "@/words/times";
import { clashesOf } from "./calendar";

const SHOWN = 12;

/** At the right: what comes next, where limits get in the way, and what is at rest. */
export function Beside({ data, pools }: { data: Upcoming; pools: readonly Pool[] }) {
  const clock = useClock();
  const now = useNow();
  const owners = useMemo(() => new Map(data.deployments.map((each) => [each.id, each])), [data]);
  const soon = data.next.filter((each) => !each.skipped).slice(0, SHOWN);
  const limits = useMemo(
    () =>
      new Map(
        pools.flatMap((each) =>
          each.concurrency_limit === null ? [] : [[each.name, each.concurrency_limit] as const],
        ),
      ),
    [pools],
  );
  const clashes = useMemo(() => clashesOf(data, limits), [data, limits]);
  const last = soon.at(-1);
  const today = dayOf(new Date(now), clock);
  return (
    <aside className="up-side" aria-label="Next, clashes and paused">
      <SectionHead
        title="Next"
        count={last && `${soon.length} in ${age((Date.parse(last.at) - now) / 1000)}`}
      />
      {soon.map((date) => {
        const owner = owners.get(date.deployment_id);
        const at = new Date(date.at);
        return (
          <Link
            key={`${date.schedule_id} ${date.run_id} ${date.at}`}
            className="up-next"
            to={date.run_id ? `/runs/${date.run_id}` : `/deployments/${date.deployment_id}`}
            title={owner && `${owner.flow_name} / ${owner.name}`}
          >
            <span className="r">
              {dayOf(at, clock) === today ? hourMinute(at, clock) : dayName(at, clock).slice(0, 3)}
            </span>
            <b className="b cut">{owner ? `${owner.flow_name} / ${owner.name}` : date.run_name}</b>
            <span className="q sm">{owner?.usual && `~${duration(owner.usual.median_s)}`}</span>
          </Link>
        );
      })}
      {soon.length === 0 && <p className="note up-none">Nothing is planned.</p>}
      <section>
        <div className="lab2">
          <span>Clashes</span>
          <span>{clashes.length || "none"}</span>
        </div>
        <div className="checks sm">
          {clashes.map((clash) => (
            <div key={clash.text}>
              <StateGlyph type="SCHEDULED" name="Late" label={false} />
              <span>
                <b className="b">
                  {dayName(new Date(clash.at), clock)} {hourMinute(new Date(clash.at), clock)}
                </b>
                : {clash.text}
              </span>
            </div>
          ))}
        </div>
      </section>
      <AtRest data={data} />
    </aside>
  );
}

function AtRest({ data }: { data: Upcoming }) {
  const queries = useQueryClient();
  const refresh = () => queries.invalidateQueries({ queryKey: ["upcoming"] });
  const owners = new Map(data.deployments.map((each) => [each.id, each]));
  const paused = data.deployments.filter((each) => each.paused);
  const schedules = data.schedules.filter(
    (each) => !each.active && owners.get(each.deployment_id)?.paused === false,
  );
  const rows = [
    ...paused.map((each) => ({
      key: each.id,
      to: each.id,
      name: `${each.flow_name} / ${each.name}`,
      since: each.updated,
      resume: () => resumeDeployment(each.id),
    })),
    ...schedules.map((each) => {
      const owner = owners.get(each.deployment_id);
      return {
        key: each.id,
        to: each.deployment_id,
        name: `${owner?.flow_name} / ${owner?.name}, ${each.slug ?? "one schedule"}`,
        since: null,
        resume: () => changeSchedule(each.deployment_id, each.id, { active: true }),
      };
    }),
  ];
  return (
    <section>
      <div className="lab2">
        <span>Paused</span>
        <span>{rows.length === 0 ? "none" : counted(rows.length, "entry", "entries")}</span>
      </div>
      {rows.map((row) => (
        <div key={row.key} className="row sm up-rest">
          <Link className="cut grow" to={`/deployments/${row.to}`} title={row.name}>
            {row.name}
          </Link>
          {row.since && (
            <span className="q">
              <Ago at={row.since} />
            </span>
          )}
          <Button
            small
            quiet
            onClick={() =>
              void act("Not resumed", row.resume, { done: `${row.name} runs again` }).then(() => refresh())
            }
          >
            Resume
          </Button>
        </div>
      ))}
    </section>
  );
}
