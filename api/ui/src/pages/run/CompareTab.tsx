import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Group, groupsQuery, type RunDetails, runDetailsQuery } from "@/data/oneRun";
import { type FlowRun } from "@/data/runs";
import { post } from "@/data/client";
import { useUrlState } from "@/data/urlState";
import { SelectField } from "@/parts/fields";
import { brief, differences } from "@/parts/form/compare";
import { SectionHead } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { duration, figure } from "@/words/numbers";
import { wordOf } from "@/words/states";

const others = (run: RunDetails) => ({
  queryKey: ["flow_runs", "to compare", run.flow_id],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    post<FlowRun[]>(
      "/flow_runs/filter",
      {
        flows: { id: { any_: [run.flow_id] } },
        flow_runs: { start_time: { is_null_: false } },
        sort: "START_TIME_DESC",
        limit: 50,
      },
      { signal },
    ),
});

/** Another run of the same flow beside this one. */
export default function CompareTab({ run }: { run: RunDetails }) {
  const [chosen, choose] = useUrlState("with");
  const query = useQuery(others(run));
  return (
    <Loaded query={query} what="Other runs of this flow">
      {(found) => {
        const rows = found.filter((each) => each.id !== run.id);
        const before = rows.find((each) => (each.start_time ?? "") < (run.start_time ?? "")) ?? rows[0];
        const other = chosen || before?.id;
        if (!other)
          return (
            <Empty title="No other run" text={`Flow ${run.flow_name} has no other run that has started.`} />
          );
        return (
          <>
            <div className="formpad compare-with">
              <SelectField
                label="Compare with"
                value={other}
                onChange={(event) => choose(event.target.value)}
                choices={rows.map((each) => ({
                  value: each.id,
                  text: `${each.name}, ${wordOf(each.state_type, each.state_name)}, ${(each.start_time ?? "").slice(0, 16).replace("T", " ")} UTC`,
                }))}
              />
            </div>
            <Beside run={run} otherId={other} />
          </>
        );
      }}
    </Loaded>
  );
}

function Beside({ run, otherId }: { run: RunDetails; otherId: string }) {
  const other = useQuery(runDetailsQuery(otherId));
  return (
    <Loaded query={other} what="The other run">
      {(found) => (
        <>
          <Facts one={run} other={found} />
          <Groups one={run} other={found} />
          <Parameters one={run} other={found} />
        </>
      )}
    </Loaded>
  );
}

type Pair = { one: RunDetails; other: RunDetails };

function Facts({ one, other }: Pair) {
  const took = (run: RunDetails) =>
    run.start_time && run.end_time
      ? (Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000
      : run.estimated_run_time;
  const code = (run: RunDetails) => run.deployment_version ?? run.code_revision ?? run.flow_version ?? "none";
  const [a, b] = [took(one), took(other)];
  return (
    <table className="tbl flat compare">
      <thead>
        <tr>
          <th />
          <th>{one.name}, this run</th>
          <th>
            <Link to={`/runs/${other.id}`} className="link">
              {other.name}
            </Link>
          </th>
          <th className="r">Difference</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <td className="q">State</td>
          <td>
            <StateBadge type={one.state_type} name={one.state_name} />
          </td>
          <td>
            <StateBadge type={other.state_type} name={other.state_name} />
          </td>
          <td />
        </tr>
        <tr>
          <td className="q">Started</td>
          <td>
            <Time at={one.start_time} />
          </td>
          <td>
            <Time at={other.start_time} />
          </td>
          <td />
        </tr>
        <tr>
          <td className="q">Took</td>
          <td>{duration(a)}</td>
          <td>{duration(b)}</td>
          <td className="r">
            <Change one={a} other={b} />
          </td>
        </tr>
        <tr>
          <td className="q">Tries</td>
          <td>{one.run_count}</td>
          <td>{other.run_count}</td>
          <td />
        </tr>
        <tr>
          <td className="q">Code</td>
          <td className={code(one) === code(other) ? "mono" : "mono diff"}>{code(one)}</td>
          <td className="mono">{code(other)}</td>
          <td />
        </tr>
      </tbody>
    </table>
  );
}

function Change({ one, other }: { one: number; other: number }) {
  const by = one - other;
  if (other <= 0 || Math.abs(by) < 0.02 * other) return <span className="q">alike</span>;
  const times = one / other;
  return (
    <span className={by > 0 && times > 1.2 ? "t-late" : undefined}>
      {by > 0 ? "+" : "−"}
      {duration(Math.abs(by))} <span className="q">×{times.toFixed(times < 10 ? 2 : 0)}</span>
    </span>
  );
}

function Groups({ one, other }: Pair) {
  const mine = useQuery(groupsQuery(one.id)).data ?? [];
  const theirs = useQuery(groupsQuery(other.id)).data ?? [];
  const rows = paired(mine, theirs);
  if (rows.length === 0) return null;
  return (
    <>
      <SectionHead title="Tasks" count={rows.length} />
      <table className="tbl flat compare">
        <thead>
          <tr>
            <th>Task</th>
            <th>Calls and time of this run</th>
            <th>Of the other</th>
            <th className="r">A call</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([a, b], at) => (
            <tr key={at}>
              <td className="name">{(a ?? b)?.task_name}</td>
              <td>
                <OneGroup group={a} />
              </td>
              <td>
                <OneGroup group={b} />
              </td>
              <td className="r">{a && b && <Change one={mean(a)} other={mean(b)} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** The same call site of both runs; else, where the code around it changed, the same task. */
function paired(mine: readonly Group[], theirs: readonly Group[]): [Group | undefined, Group | undefined][] {
  const left = new Set(theirs);
  const take = (fits: (group: Group) => boolean) => {
    const found = [...left].find(fits);
    if (found) left.delete(found);
    return found;
  };
  const exact = new Map(mine.map((own) => [own, take((each) => each.task_key === own.task_key)]));
  const rows = mine.map((own): [Group, Group | undefined] => [
    own,
    exact.get(own) ?? take((each) => each.task_name === own.task_name),
  ]);
  return [...rows, ...[...left].map((each): [undefined, Group] => [undefined, each])];
}

function sizeOf(group: Group): number {
  return Object.values(group.counts).reduce((sum, each) => sum + each, 0);
}

function mean(group: Group): number {
  return group.seconds / Math.max(1, sizeOf(group));
}

function OneGroup({ group }: { group: Group | undefined }) {
  if (!group) return <span className="q">not called</span>;
  const failed = (group.counts["FAILED"] ?? 0) + (group.counts["CRASHED"] ?? 0);
  return (
    <>
      {figure(sizeOf(group))} <span className="q">in {duration(group.seconds)}</span>{" "}
      {failed > 0 && <span className="t-failed">{figure(failed)} failed</span>}
    </>
  );
}

function Parameters({ one, other }: Pair) {
  const changed = differences(other.parameters, one.parameters);
  return (
    <>
      <SectionHead title="Parameters that differ" count={changed.length || "none"} />
      {changed.length > 0 && (
        <table className="tbl flat compare">
          <tbody>
            {changed.map((each) => (
              <tr key={each.name}>
                <td className="mono">{each.name}</td>
                <td>{each.is === undefined ? "none" : brief(each.is, 200)}</td>
                <td className="m">{each.was === undefined ? "none" : brief(each.was, 200)}</td>
                <td />
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
