import { Link } from "@tanstack/react-router";
import { type PointerEvent, useMemo, useRef, useState } from "react";
import { useNow } from "@/data/now";
import { useClock } from "@/data/preferences";
import type { Planned, PlannedDeployment, Upcoming } from "@/data/upcoming";
import { toast } from "@/parts/toasts";
import { counted, duration } from "@/words/numbers";
import { dayName, hourMinute } from "@/words/times";
import type { DateActions } from "../deployments/changingDates";
import { MoveDialog } from "../deployments/MoveDialog";
import { type Block, blocksOf, DAY_PX, HOUR_PX, secondsOf } from "./calendar";

const SNAP_MS = 5 * 60_000;
const MOST_FOLDED = 6;
const BAND_PX = 5;

type Drag = { date: Planned; x: number; y: number; dx: number; dy: number; to: number };

/** Days side by side. Schedules with many dates a day are bands; single dates can be dragged, skipped and moved. */
export function WeekCalendar({
  data,
  starts,
  actions,
}: {
  data: Upcoming;
  starts: readonly number[];
  actions: DateActions;
}) {
  const clock = useClock();
  const now = useNow();
  const days = starts.length - 1;
  const columns = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<Drag | null>(null);
  const [moving, setMoving] = useState<Planned | null>(null);
  const deployments = useMemo(() => new Map(data.deployments.map((each) => [each.id, each])), [data]);
  const folded = useMemo(() => {
    const counts = new Map<string, number>();
    for (const band of data.bands)
      counts.set(band.schedule_id, (counts.get(band.schedule_id) ?? 0) + band.count);
    return [...counts.entries()].sort((one, other) => other[1] - one[1]).map(([id]) => id);
  }, [data]);
  const gutter = 3 + Math.min(folded.length, MOST_FOLDED) * BAND_PX + (folded.length > 0 ? 4 : 0);

  const target = (event: PointerEvent, from: Drag): number => {
    const width = (columns.current?.clientWidth ?? 1) / days;
    const byDays = Math.round((event.clientX - from.x) / width);
    const byMs = ((event.clientY - from.y) / DAY_PX) * 86_400_000;
    const moved = Date.parse(from.date.at) + byDays * 86_400_000 + byMs;
    return Math.round(moved / SNAP_MS) * SNAP_MS;
  };
  const drop = (from: Drag) => {
    setDrag(null);
    if (Math.abs(from.dx) + Math.abs(from.dy) < 6) return;
    if (from.to < now) {
      toast({ text: "Not moved. That time is over: start it now instead.", bad: true });
      return;
    }
    void actions.move(from.date, new Date(from.to).toISOString());
  };

  return (
    <>
      <div className="row sm bb1 up-fold">
        {folded.length > 0 && <span className="q">Fold together, more than 20 a day:</span>}
        {folded.slice(0, MOST_FOLDED).map((id, at) => (
          <span key={id} className="row gap1">
            <i className={`sw b${Math.min(at, 2)}`} />
            {nameOf(deployments.get(bandOwner(data, id)))}
          </span>
        ))}
        <span className="q push up-hint">drag to move one run, Del to skip it</span>
      </div>
      <div className="cal" style={{ "--days": days } as React.CSSProperties}>
        <div className="hrs" aria-hidden>
          {Array.from({ length: 11 }, (_, at) => (
            <span key={at} style={{ top: 26 + (at + 1) * 2 * HOUR_PX - 7 }}>
              {String((at + 1) * 2).padStart(2, "0")}
            </span>
          ))}
        </div>
        <div className="cal-days" ref={columns}>
          {starts.slice(0, -1).map((start, day) => {
            const end = starts[day + 1] ?? start;
            const isToday = now >= start && now < end;
            const passed = Math.min(1, Math.max(0, (now - start) / (end - start))) * DAY_PX;
            const blocks = blocksOf(data.planned, start, end, (date) =>
              secondsOf(deployments.get(date.deployment_id)),
            );
            return (
              <div key={start} className="day">
                <div className={isToday ? "dh today" : "dh"}>
                  {dayName(new Date(start), clock)}
                  <span className="q" title={counted(data.days[day] ?? 0, "run")}>
                    {data.days[day] || ""}
                  </span>
                </div>
                <div className="dc" style={{ height: DAY_PX }}>
                  {data.bands
                    .filter((band) => band.day === day)
                    .map((band) => {
                      const at = folded.indexOf(band.schedule_id);
                      const top = ((Date.parse(band.first) - start) / (end - start)) * DAY_PX;
                      const bottom = ((Date.parse(band.last) - start) / (end - start)) * DAY_PX;
                      const owner = deployments.get(band.deployment_id);
                      return (
                        at < MOST_FOLDED && (
                          <Link
                            key={band.schedule_id}
                            to={`/deployments/${band.deployment_id}`}
                            className={`band b${Math.min(at, 2)}`}
                            style={{ top, height: Math.max(3, bottom - top), left: 3 + at * BAND_PX }}
                            aria-label={`${fullName(owner)}: ${band.count} on this day`}
                            title={`${fullName(owner)}, ${band.count} on this day`}
                          />
                        )
                      );
                    })}
                  {blocks.map((block) => (
                    <DateBlock
                      key={`${block.date.schedule_id} ${block.date.run_id} ${block.date.at}`}
                      block={block}
                      gutter={gutter}
                      owner={deployments.get(block.date.deployment_id)}
                      dragged={drag?.date === block.date ? drag : null}
                      onGrab={(event) =>
                        setDrag({
                          date: block.date,
                          x: event.clientX,
                          y: event.clientY,
                          dx: 0,
                          dy: 0,
                          to: Date.parse(block.date.at),
                        })
                      }
                      onDrag={(event) =>
                        setDrag((old) =>
                          old && old.date === block.date
                            ? {
                                ...old,
                                dx: event.clientX - old.x,
                                dy: event.clientY - old.y,
                                to: target(event, old),
                              }
                            : old,
                        )
                      }
                      onDrop={() => drag && drop(drag)}
                      onSkip={() =>
                        void (block.date.skipped ? actions.putBack(block.date) : actions.skip(block.date))
                      }
                      onMove={() => setMoving(block.date)}
                    />
                  ))}
                  {passed > 0 && <span className="past" style={{ height: passed }} />}
                  {isToday && <span className="nowl" style={{ top: passed }} />}
                </div>
              </div>
            );
          })}
        </div>
      </div>
      {drag && Math.abs(drag.dx) + Math.abs(drag.dy) >= 6 && (
        <div className="up-drag" role="status">
          {dayName(new Date(drag.to), clock)} {hourMinute(new Date(drag.to), clock)}
        </div>
      )}
      {moving && (
        <MoveDialog
          date={moving}
          name={fullName(deployments.get(moving.deployment_id))}
          onClose={() => setMoving(null)}
          onMove={(to) => {
            setMoving(null);
            void actions.move(moving, to);
          }}
        />
      )}
    </>
  );
}

const nameOf = (owner: PlannedDeployment | undefined) => owner?.flow_name ?? "deployment";
const fullName = (owner: PlannedDeployment | undefined) =>
  owner ? `${owner.flow_name} / ${owner.name}` : "deployment";
const bandOwner = (data: Upcoming, schedule: string) =>
  data.bands.find((each) => each.schedule_id === schedule)?.deployment_id ?? "";

function DateBlock({
  block,
  owner,
  gutter,
  dragged,
  onGrab,
  onDrag,
  onDrop,
  onSkip,
  onMove,
}: {
  block: Block;
  owner: PlannedDeployment | undefined;
  gutter: number;
  dragged: Drag | null;
  onGrab: (event: PointerEvent) => void;
  onDrag: (event: PointerEvent) => void;
  onDrop: () => void;
  onSkip: () => void;
  onMove: () => void;
}) {
  const clock = useClock();
  const { date, top, height, lane, lanes } = block;
  const usual = owner?.usual;
  const at = hourMinute(new Date(date.at), clock);
  const words = `${fullName(owner)}, ${at}${usual ? `, usually ${duration(usual.median_s)}` : ""}${date.skipped ? ", skipped" : ""}${date.slot_at ? ", moved" : ""}`;
  const wasDragged = useRef(false);
  const classes = [
    "blk",
    date.skipped && "off",
    date.slot_at && "moved",
    (usual?.median_s ?? 0) >= 3600 && "heavy",
  ];
  return (
    <Link
      to={`/deployments/${date.deployment_id}`}
      className={classes.filter(Boolean).join(" ")}
      draggable={false}
      title={`${words}\nDel skips it, M moves it`}
      aria-label={`${words}. Del skips it, M moves it.`}
      style={{
        top,
        height: height - 1,
        left: `calc(${gutter}px + (100% - ${gutter + 3}px) * ${lane / lanes})`,
        width: `calc((100% - ${gutter + 3}px) / ${lanes})`,
        transform: dragged ? `translate(${dragged.dx}px, ${dragged.dy}px)` : undefined,
        zIndex: dragged ? 3 : undefined,
      }}
      onPointerDown={(event) => {
        if (event.button !== 0 || date.skipped || event.pointerType === "touch") return;
        wasDragged.current = false;
        event.currentTarget.setPointerCapture(event.pointerId);
        onGrab(event);
      }}
      onPointerMove={(event) => {
        if (!dragged) return;
        if (Math.abs(event.clientX - dragged.x) + Math.abs(event.clientY - dragged.y) >= 6)
          wasDragged.current = true;
        onDrag(event);
      }}
      onPointerUp={onDrop}
      onPointerCancel={onDrop}
      onClick={(event) => wasDragged.current && event.preventDefault()}
      onKeyDown={(event) => {
        if (event.key === "Delete" || event.key === "Backspace") onSkip();
        else if (event.key.toLowerCase() === "m") onMove();
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <b className="b">{nameOf(owner)}</b>
      {height >= 32 && (
        <span className="blk-2">
          {at}
          {usual && ` ~${duration(usual.median_s)}`}
        </span>
      )}
    </Link>
  );
}
