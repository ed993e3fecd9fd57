/** What ran in the slots of a pool: a bar a run, a row a slot, up to now. */

import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useNow } from "@/data/now";
import { type InSlot, type Lanes, lanesQuery } from "@/data/pools";
import { useClock } from "@/data/preferences";
import { useUrlState } from "@/data/urlState";
import { Segmented } from "@/parts/choosing";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { counted, duration } from "@/words/numbers";
import { kindOf, wordOf } from "@/words/states";
import { hourMinute } from "@/words/times";
import { lanesOf, ticksOf, type Place } from "./lanes";

const GUTTER = 112;
const AHEAD = 0.07; // the part of the width that lies right of now
const LANE = 13;
const BETWEEN = 14;
const LEAST = 34; // a place has room for its name and a line below
const AXIS = 18;

export function SlotLanes({ pool, taken, limit }: { pool: string; taken: number; limit: number | null }) {
  const [span, setSpan] = useUrlState("span", "30");
  const minutes = span === "360" ? 360 : 30;
  const query = useQuery(lanesQuery(pool, minutes));
  return (
    <section aria-label="Slots">
      <SectionHead
        title="Slots"
        count={limit === null ? `${taken} busy, no limit` : `${taken} of ${limit} busy`}
      >
        <span className="row lanes-legend">
          <StateBadge type="RUNNING" name="running" />
          <StateBadge type="COMPLETED" name="ended" />
          <StateBadge type="CRASHED" name="lost" />
        </span>
        <Segmented
          small
          label="How far back"
          value={String(minutes)}
          onChange={setSpan}
          choices={[
            { value: "30", text: "30 m" },
            { value: "360", text: "6 h" },
          ]}
        />
      </SectionHead>
      <Loaded query={query} what="What ran in the slots" rows={3}>
        {(lanes) => <Drawn lanes={lanes} />}
      </Loaded>
    </section>
  );
}

function Drawn({ lanes }: { lanes: Lanes }) {
  const { ref, width: measured } = useElementSize();
  const ticking = useNow();
  const navigate = useNavigate();
  const clock = useClock();
  const now = Math.max(ticking, Date.parse(lanes.now));
  const places = useMemo(() => lanesOf(lanes.runs, Date.parse(lanes.now)), [lanes]);
  const width = Math.max(measured, 280);
  const gutter = width < 480 ? 84 : GUTTER;
  const since = Date.parse(lanes.since);
  const plot = (width - gutter) * (1 - AHEAD);
  const x = (at: number) => gutter + Math.max(0, (plot * (at - since)) / Math.max(1, now - since));
  const tops: number[] = [];
  let height = 8;
  for (const place of places) {
    tops.push(height);
    height += Math.max(LEAST, place.lanes.length * LANE) + BETWEEN;
  }
  if (places.length === 0) height = 54;
  return (
    <div className="lanes" ref={ref}>
      <svg
        className="timechart"
        width={width}
        height={height + AXIS}
        role="img"
        aria-label={`${counted(lanes.runs.length, "run")} in ${counted(places.length, "place")} since ${hourMinute(new Date(since), clock)}`}
        onClick={(event) => {
          const id = (event.target as Element).getAttribute("data-run");
          if (id) void navigate({ to: `/runs/${id}` });
        }}
      >
        <defs>
          <pattern id="lost" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="5" height="5" fill="var(--crashed)" />
            <path d="M0 0V5" stroke="var(--face)" strokeWidth="2" opacity=".45" />
          </pattern>
        </defs>
        <rect x={x(now)} width={Math.max(0, width - x(now))} y={0} height={height} fill="var(--paper)" />
        {ticksOf(since, now).map((at) => (
          <g key={at}>
            <path className="s-line" d={`M${x(at)} 0V${height}`} />
            {x(at) < x(now) - 40 && (
              <text x={x(at) + 3} y={height + 13}>
                {hourMinute(new Date(at), clock)}
              </text>
            )}
          </g>
        ))}
        {places.map((place, number) => (
          <PlaceLanes
            key={place.name}
            place={place}
            top={tops[number] ?? 0}
            x={x}
            now={now}
            gutter={gutter}
          />
        ))}
        {places.length === 0 && (
          <text x={gutter + 8} y={30}>
            nothing ran here in this time
          </text>
        )}
        <path className="s-sun" strokeWidth="2" d={`M${x(now)} 0V${height}`} />
        <circle className="f-sun" cx={x(now)} cy="4" r="4" />
        <text className="ink b" x={x(now) - 2} y={height + 13} textAnchor="end">
          now
        </text>
      </svg>
    </div>
  );
}

type PlaceProps = { place: Place; top: number; x: (at: number) => number; now: number; gutter: number };

function PlaceLanes({ place, top, x, now, gutter }: PlaceProps) {
  const most = Math.floor(gutter / 7) - 1;
  const name = place.name.length > most ? `${place.name.slice(0, most - 1)}…` : place.name;
  const slots = place.lanes.length + place.hidden;
  return (
    <g>
      <title>{place.name}</title>
      <text className="ink b" x="0" y={top + 11}>
        {name}
      </text>
      <text x="0" y={top + 25}>
        {slots === 1 ? "1 at a time" : `up to ${slots} at a time`}
      </text>
      {place.lanes.map((runs, number) => (
        <g key={number}>
          <path className="s-line" d={`M${gutter} ${top + number * LANE + 5.5}H${x(now)}`} />
          {runs.map((run) => (
            <Bar key={run.id} run={run} y={top + number * LANE} x={x} now={now} />
          ))}
        </g>
      ))}
    </g>
  );
}

function Bar({ run, y, x, now }: { run: InSlot; y: number; x: (at: number) => number; now: number }) {
  const end = run.end === null ? now : Date.parse(run.end);
  const left = x(Date.parse(run.start));
  const width = Math.max(2, x(end) - left - 1);
  const kind = kindOf(run.state_type, run.state_name);
  const took = duration((end - Date.parse(run.start)) / 1000);
  const isBad = kind === "failed" || kind === "crashed";
  return (
    <g className="lane-run">
      <title>{`${run.name}, ${run.flow_name}: ${wordOf(run.state_type, run.state_name)}, ${took}, queue ${run.queue}`}</title>
      <rect
        data-run={run.id}
        className={kind === "pending" ? "f-scheduled" : `f-${kind}`}
        style={kind === "crashed" ? { fill: "url(#lost)" } : undefined}
        x={left}
        y={y}
        width={width}
        height="10"
        rx="1.5"
      />
      {isBad && <path d={`M${left + width + 2} ${y}v10`} stroke={`var(--${kind})`} strokeWidth="2" />}
    </g>
  );
}
