/** What begins next, over all deployments. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { post } from "@/data/client";
import { useNames } from "@/data/names";
import { useNow } from "@/data/now";
import type { FlowRun } from "@/data/runs";
import { usualQuery } from "@/data/usual";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { duration } from "@/words/numbers";

const SHOWN = 8;

export function Next() {
  const query = useQuery({
    queryKey: ["upcoming", "next"],
    queryFn: ({ signal }) =>
      post<FlowRun[]>(
        "/flow_runs/filter",
        {
          flow_runs: { state: { name: { any_: ["Scheduled"] } } },
          sort: "NEXT_SCHEDULED_START_TIME_ASC",
          limit: SHOWN,
        },
        { signal },
      ),
    refetchInterval: 15_000,
  });
  const now = useNow();
  const runs = query.data ?? [];
  const flows = useNames(
    "flows",
    runs.map((run) => run.flow_id),
  );
  const deployments = useNames(
    "deployments",
    runs.map((run) => run.deployment_id),
  );
  const owners = runs.flatMap((run) => run.deployment_id ?? []);
  const usual = useQuery(usualQuery({ deployment_ids: [...new Set(owners)] })).data ?? {};
  return (
    <section aria-label="Next">
      <SectionHead title="Next">
        <Link to="/upcoming" className="link">
          Calendar
        </Link>
      </SectionHead>
      <Loaded query={query} what="What begins next" rows={4}>
        {() =>
          runs.length === 0 ? (
            <p className="need-none">Nothing is scheduled.</p>
          ) : (
            runs.map((run) => {
              const name = [flows.get(run.flow_id), deployments.get(run.deployment_id ?? "")]
                .filter(Boolean)
                .join(" / ");
              const length = usual[run.deployment_id ?? ""]?.median_s;
              return (
                <Link key={run.id} className="next" to={`/runs/${run.id}`}>
                  <span className="in-t">
                    {duration(Math.max(0, (Date.parse(run.expected_start_time ?? "") - now) / 1000))}
                  </span>
                  <span className="b cut" title={name}>
                    {name || run.name}
                  </span>
                  <span className="q sm" title="how long such runs usually take">
                    {length === undefined ? "" : `~${duration(length)}`}
                  </span>
                </Link>
              );
            })
          )
        }
      </Loaded>
    </section>
  );
}
