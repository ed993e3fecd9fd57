import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { overviewQuery } from "@/data/overview";
import { useClock } from "@/data/preferences";
import { useUrlState } from "@/data/urlState";
import { ButtonLink } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { longDay } from "@/words/times";
import { Figures } from "./Figures";
import { FirstRun } from "./FirstRun";
import { NeedsYou } from "./NeedsYou";
import { Next } from "./Next";
import { Pools, Running } from "./Running";
import { RunsAndLoad } from "./RunsAndLoad";
import "./overview.css";

const RANGES = [
  { value: "1h", text: "1 h", hours: 1 },
  { value: "6h", text: "6 h", hours: 6 },
  { value: "24h", text: "24 h", hours: 24 },
  { value: "7d", text: "7 d", hours: 168 },
] as const;

const PARTS = 180;

export default function OverviewPage() {
  const [range, setRange] = useUrlState("range", "6h");
  const chosen = RANGES.find((each) => each.value === range) ?? RANGES[1];
  const clock = useClock();
  const query = useQuery(overviewQuery(chosen.hours, PARTS));
  const newest = query.data?.now;
  return (
    <>
      <Title title="Overview" sub={newest && longDay(new Date(newest), clock)}>
        <Segmented label="How far back" value={chosen.value} choices={RANGES} onChange={setRange} />
        <ButtonLink sun to="/deployments">
          <Play className="i" /> Run a deployment
        </ButtonLink>
      </Title>
      <Loaded query={query} what="The overview">
        {(overview) => {
          const isEmpty =
            Object.values(overview.under_way).every((count) => count === 0) &&
            overview.bins.every((bin) => Object.keys(bin.runs).length === 0);
          return (
            <>
              <Figures overview={overview} range={chosen.text} />
              <div className="cols ov-a">
                {isEmpty ? <FirstRun /> : <NeedsYou />}
                <Next />
              </div>
              <div className="bt">
                <RunsAndLoad overview={overview} hours={chosen.hours} />
              </div>
              <div className="cols ov-b bt">
                <Running count={overview.under_way.running} />
                <Pools pools={overview.pools} />
              </div>
            </>
          );
        }}
      </Loaded>
    </>
  );
}
