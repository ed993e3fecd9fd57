/** Eight figures with their trend, each a link to what it counts. */

import { Link } from "@tanstack/react-router";
import type { Overview } from "@/data/overview";
import { Sparkline } from "@/parts/charts";
import { StateGlyph } from "@/parts/StateGlyph";
import { duration, percent, short } from "@/words/numbers";

type Figure = {
  name: string;
  state?: readonly [string, string];
  value: string;
  note?: string;
  trend?: number[];
  to: string;
  search?: Record<string, unknown>;
};

const PARTS = 24;

/** The bins of the axis joined to a few parts, enough for a line of 54 pixels. */
function trend(overview: Overview, of: (bin: Overview["bins"][number]) => number): number[] {
  const each = Math.max(1, Math.ceil(overview.bins.length / PARTS));
  const sums: number[] = [];
  overview.bins.forEach((bin, at) => {
    const part = Math.floor(at / each);
    sums[part] = (sums[part] ?? 0) + of(bin);
  });
  return sums;
}

function figures(overview: Overview, range: string): Figure[] {
  const ended =
    (...types: string[]) =>
    (bin: Overview["bins"][number]) =>
      types.reduce((sum, type) => sum + (bin.runs[type] ?? 0), 0);
  const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
  const failed = trend(overview, ended("FAILED", "CRASHED"));
  const completed = trend(overview, ended("COMPLETED"));
  const tasks = trend(overview, (bin) => bin.tasks);
  const all = total(failed) + total(completed);
  const now = overview.under_way;
  return [
    {
      name: "Running",
      state: ["RUNNING", "Running"],
      value: short(now.running),
      to: "/runs",
      search: { q: "state:running" },
    },
    {
      name: "Waiting",
      state: ["PENDING", "Pending"],
      value: short(now.waiting),
      to: "/runs",
      search: { q: "state:pending,scheduled" },
    },
    {
      name: "Late",
      state: ["SCHEDULED", "Late"],
      value: short(now.late),
      to: "/runs",
      search: { q: "state:late" },
    },
    {
      name: "Failed",
      state: ["FAILED", "Failed"],
      value: short(total(failed)),
      note: all ? `${range}, ${percent(total(failed), all)}` : range,
      trend: failed,
      to: "/runs",
      search: { q: `state:failed,crashed started:last ${range}` },
    },
    {
      name: "Completed",
      state: ["COMPLETED", "Completed"],
      value: short(total(completed)),
      note: range,
      trend: completed,
      to: "/runs",
      search: { q: `state:completed started:last ${range}` },
    },
    {
      name: "Tasks",
      value: short(total(tasks)),
      note: range,
      trend: tasks,
      to: "/runs",
      search: { kind: "task" },
    },
    {
      name: "Start delay",
      value: overview.start_delay_s === null ? "none" : duration(overview.start_delay_s),
      note: "p50",
      to: "/runs",
    },
    { name: "Recorded", value: short(overview.events_per_s), note: "events/s", to: "/events" },
  ];
}

export function Figures({ overview, range }: { overview: Overview; range: string }) {
  return (
    <div className="stats">
      {figures(overview, range).map((each) => (
        <Link key={each.name} to={each.to} search={each.search as never}>
          <span className="k">
            {each.state && <StateGlyph type={each.state[0]} name={each.state[1]} label={false} />}
            {each.name}
          </span>
          <span className="k2">{each.note}</span>
          <span className="v">{each.value}</span>
          <span className="spark-box">
            {each.trend && <Sparkline values={each.trend} label={`${each.name} over the last ${range}`} />}
          </span>
        </Link>
      ))}
    </div>
  );
}
