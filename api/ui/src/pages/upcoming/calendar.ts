/** Where dates lie in a calendar, what load they make, and where they get in each other's way. Pure. */

import type { Band, Planned, PlannedDeployment, Upcoming } from "@/data/upcoming";

export const HOUR_PX = 29;
export const DAY_PX = 24 * HOUR_PX;
const LEAST_PX = 17;
const HOUR_MS = 3_600_000;
const DEFAULT_S = 60; // of a deployment that has never run

export type Block = { date: Planned; top: number; height: number; lane: number; lanes: number };

export const secondsOf = (deployment: PlannedDeployment | undefined): number =>
  deployment?.usual?.median_s ?? DEFAULT_S;

/** The dates of one day as blocks; those that overlap stand side by side. */
export function blocksOf(
  dates: readonly Planned[],
  start: number,
  end: number,
  seconds: (date: Planned) => number,
): Block[] {
  const scale = DAY_PX / Math.max(1, end - start);
  const blocks = dates
    .filter((date) => Date.parse(date.at) >= start && Date.parse(date.at) < end)
    .map((date) => {
      const top = Math.min(DAY_PX - LEAST_PX, (Date.parse(date.at) - start) * scale);
      const height = Math.min(DAY_PX - top, Math.max(LEAST_PX, seconds(date) * 1000 * scale));
      return { date, top, height, lane: 0, lanes: 1 };
    })
    .sort((one, other) => one.top - other.top);
  let cluster: Block[] = [];
  let bottom = -1;
  const close = () => {
    const lanes = Math.max(...cluster.map((each) => each.lane + 1), 1);
    cluster.forEach((each) => (each.lanes = lanes));
    cluster = [];
  };
  for (const block of blocks) {
    if (block.top >= bottom) {
      close();
      bottom = -1;
    }
    const taken = new Set(
      cluster.filter((each) => each.top + each.height > block.top).map((each) => each.lane),
    );
    while (taken.has(block.lane)) block.lane += 1;
    cluster.push(block);
    bottom = Math.max(bottom, block.top + block.height);
  }
  close();
  return blocks;
}

type Span = { start: number; end: number; weight: number; deployment: string };

/** When runs will be at work, as far as usual lengths tell; a band is spread evenly over its time. */
export function spansOf(data: Upcoming): Span[] {
  const deployments = new Map(data.deployments.map((each) => [each.id, each]));
  const single = data.planned
    .filter((date) => !date.skipped)
    .map((date) => {
      const start = Date.parse(date.at);
      const seconds = secondsOf(deployments.get(date.deployment_id));
      return { start, end: start + seconds * 1000, weight: 1, deployment: date.deployment_id };
    });
  return [...single, ...data.bands.map((band) => spanOf(band, deployments.get(band.deployment_id)))];
}

function spanOf(band: Band, deployment: PlannedDeployment | undefined): Span {
  const start = Date.parse(band.first);
  const length = secondsOf(deployment) * 1000;
  const end = Date.parse(band.last) + length;
  return {
    start,
    end,
    weight: (band.count * length) / Math.max(1, end - start),
    deployment: band.deployment_id,
  };
}

/** Runs at work in each hour, on average. */
export function loadOf(spans: readonly Span[], start: number, hours: number): number[] {
  const load = new Array<number>(hours).fill(0);
  for (const span of spans) {
    const first = Math.max(0, Math.floor((span.start - start) / HOUR_MS));
    const last = Math.min(hours - 1, Math.floor((span.end - start) / HOUR_MS));
    for (let hour = first; hour <= last; hour += 1) {
      const from = Math.max(span.start, start + hour * HOUR_MS);
      const to = Math.min(span.end, start + (hour + 1) * HOUR_MS);
      load[hour] = (load[hour] ?? 0) + (span.weight * Math.max(0, to - from)) / HOUR_MS;
    }
  }
  return load;
}

export type Clash = { at: number; until: number; text: string; deployment?: string };

/** Where a limit will keep runs waiting: of a deployment, or of a pool. */
export function clashesOf(data: Upcoming, limits: ReadonlyMap<string, number>, most = 8): Clash[] {
  const deployments = new Map(data.deployments.map((each) => [each.id, each]));
  const spans = spansOf(data);
  const found: Clash[] = [];
  for (const deployment of data.deployments) {
    if (deployment.limit === null || !deployment.usual) continue;
    const own = spans.filter((each) => each.deployment === deployment.id);
    const peak = peakOf(own);
    if (peak && peak.most > deployment.limit + 0.001)
      found.push({
        at: peak.start,
        until: peak.end,
        deployment: deployment.id,
        text: `${deployment.flow_name} / ${deployment.name} takes longer than the time between its dates: ${deployment.limit} may run at once.`,
      });
  }
  for (const [pool, limit] of limits) {
    const of = spans.filter((each) => deployments.get(each.deployment)?.pool === pool);
    const peak = peakOf(of);
    if (peak && peak.most > limit + 0.001)
      found.push({
        at: peak.start,
        until: peak.end,
        text: `${Math.ceil(peak.most)} runs want the ${limit} ${limit === 1 ? "slot" : "slots"} of pool ${pool}: some will wait.`,
      });
  }
  return found.sort((one, other) => one.at - other.at).slice(0, most);
}

/** The first time of most runs at once, and how many. */
function peakOf(spans: readonly Span[]): { start: number; end: number; most: number } | null {
  const edges = spans
    .flatMap((each) => [
      { at: each.start, by: each.weight },
      { at: each.end, by: -each.weight },
    ])
    .sort((one, other) => one.at - other.at || one.by - other.by);
  let now = 0;
  let peak: { start: number; end: number; most: number } | null = null;
  edges.forEach((edge, at) => {
    now += edge.by;
    const until = edges[at + 1]?.at ?? edge.at;
    if (now > (peak?.most ?? 0) + 1e-9 && until > edge.at) peak = { start: edge.at, end: until, most: now };
  });
  return peak;
}
