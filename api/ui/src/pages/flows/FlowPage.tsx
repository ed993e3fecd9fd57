import { act } from "@/parts/acting";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { post } from "@/data/client";
import {
  deleteFlow,
  deploymentsOfFlowQuery,
  type Flow,
  flowQuery,
  poolsQuery,
  recentQuery,
  tasksOfFlowQuery,
} from "@/data/deployments";
import { useUrlState } from "@/data/urlState";
import { usualQuery } from "@/data/usual";
import { Button } from "@/parts/Button";
import { Sparkline } from "@/parts/charts";
import { Tabs } from "@/parts/choosing";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { Fact, Facts, SectionHead, Tags, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { StateGlyph } from "@/parts/StateGlyph";
import { Ago, Time } from "@/parts/Time";
import { count, counted, duration, figure, percent } from "@/words/numbers";
import "../deployments/deployments.css";
import { CodeTab } from "../deployments/CodeTab";
import { LatestRuns } from "../deployments/LatestRuns";
import { PoolHealth } from "../deployments/PoolHealth";
import { RunsChart } from "../deployments/RunsChart";
import { scheduleWords } from "../deployments/scheduleWords";
import { figuresOf } from "./flowFigures";

const SHOWN = 60;

export default function FlowPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return (
    <Loaded query={useQuery(flowQuery(id))} what="The flow">
      {(flow) => <Opened key={id} flow={flow} />}
    </Loaded>
  );
}

function Opened({ flow }: { flow: Flow }) {
  const recent = useQuery(recentQuery({ flow_ids: [flow.id] }, SHOWN)).data?.[flow.id];
  const usual = useQuery(usualQuery({ flow_ids: [flow.id] })).data?.[flow.id];
  const deployments = useQuery(deploymentsOfFlowQuery(flow.id)).data;
  const total = useQuery({
    queryKey: ["flow_runs", "count of flow", flow.id],
    queryFn: ({ signal }) =>
      post<number>("/flow_runs/count", { flows: { id: { any_: [flow.id] } } }, { signal }),
  }).data;
  const [tab] = useUrlState("tab", "runs");
  const [asking, setAsking] = useState(false);
  const figures = figuresOf(recent);
  const runs = recent?.runs ?? [];
  const tabs = [
    { value: "runs", text: "Runs", count: total === undefined ? undefined : figure(total) },
    { value: "deployments", text: "Deployments", count: deployments?.length || undefined },
    { value: "tasks", text: "Tasks" },
    { value: "code", text: "Code" },
  ];
  return (
    <>
      <Title crumbs={[{ text: "Flows", to: "/flows" }]} title={flow.name} after={<Tags tags={flow.tags} />}>
        <CopyAs
          json={flow}
          commands={{
            cli: `heliostat flow-run ls --flow '${flow.name}'`,
            api: { method: "GET", path: `/flows/${flow.id}` },
          }}
        />
        <Button onClick={() => setAsking(true)}>
          <Trash2 className="i s" /> Delete…
        </Button>
      </Title>
      <Facts>
        <Fact name="Runs">{total === undefined ? "" : count(total)}</Fact>
        <Fact name={`Failed of the last ${figures.ended || "runs"}`}>
          {figures.bad === 0 ? (
            "none"
          ) : (
            <>
              <span className="t-failed">{figures.bad}</span>{" "}
              <span className="q">{percent(figures.bad, figures.ended)}</span>
            </>
          )}
        </Fact>
        <Fact name="Usual length">
          {usual ? (
            <>
              {duration(usual.median_s)} <span className="q">p95 {duration(usual.p95_s)}</span>
            </>
          ) : (
            <span className="q">not known yet</span>
          )}
        </Fact>
        <Fact name="Trend of the median">
          {figures.trend.length > 1 ? (
            <Sparkline
              values={figures.trend}
              width={90}
              label={`Median lengths: ${figures.trend.map(duration).join(", ")}`}
            />
          ) : (
            <span className="q">not known yet</span>
          )}
        </Fact>
        <Fact name="Next run">
          {recent?.next_at ? <Time at={recent.next_at} /> : <span className="q">none</span>}
        </Fact>
        <Fact name="First seen" grow>
          <Ago at={flow.created} />
        </Fact>
      </Facts>
      <SectionHead title={`Last ${runs.length || ""} runs`.replace("  ", " ")}>
        {(["COMPLETED", "FAILED", "CRASHED"] as const).map((type) => {
          const many = runs.filter((run) => run.state_type === type).length;
          return (
            many > 0 && (
              <span key={type} className="row gap1">
                <StateGlyph type={type} /> {many}
              </span>
            )
          );
        })}
      </SectionHead>
      <div className="dep-chart">
        <RunsChart recent={recent} usual={usual} />
      </div>
      <div className="bt" />
      <Tabs tabs={tabs} open={tab} />
      <div className="dep-main">
        {tab === "runs" && <LatestRuns filter={{ flows: { id: { any_: [flow.id] } } }} usual={usual} whole />}
        {tab === "deployments" && <DeploymentsOf flow={flow} />}
        {tab === "tasks" && <TasksOf id={flow.id} />}
        {tab === "code" && (
          <CodeTab of="flows" id={flow.id} entrypoint={deployments?.[0]?.entrypoint ?? null} />
        )}
      </div>
      <DeleteFlow
        open={asking}
        flow={flow}
        total={total}
        deployments={deployments?.length}
        onClose={() => setAsking(false)}
      />
    </>
  );
}

function DeploymentsOf({ flow }: { flow: Flow }) {
  const pools = useQuery(poolsQuery).data ?? [];
  return (
    <Loaded query={useQuery(deploymentsOfFlowQuery(flow.id))} what="Its deployments" rows={3}>
      {(rows) =>
        rows.length === 0 ? (
          <Empty
            title="It has no deployment"
            text="A deployment runs it elsewhere, on a schedule or from here."
            command={`heliostat deploy flows.py:${flow.name.replaceAll("-", "_")} --name daily`}
          />
        ) : (
          <table className="tbl">
            <thead>
              <tr>
                <th>Deployment</th>
                <th>Schedules</th>
                <th>Work pool</th>
                <th>Version</th>
                <th className="r">Changed</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((each) => (
                <tr key={each.id}>
                  <td className="name" title={each.name}>
                    <Link to={`/deployments/${each.id}`}>{each.name}</Link>
                    {each.paused && <span className="q"> paused</span>}
                  </td>
                  <td>
                    {each.schedules.map((one) => scheduleWords(one.schedule)).join("; ") || (
                      <span className="q">none</span>
                    )}
                  </td>
                  <td>
                    <PoolHealth deployment={each} pools={pools} />
                  </td>
                  <td className="mono">{each.version?.slice(0, 12) ?? <span className="q">none</span>}</td>
                  <td className="r q">
                    <Ago at={each.updated} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )
      }
    </Loaded>
  );
}

/** The tasks of the newest runs: those that fail or are tried again stand first. */
function TasksOf({ id }: { id: string }) {
  return (
    <Loaded query={useQuery(tasksOfFlowQuery(id))} what="Its tasks" rows={4}>
      {(rows) =>
        rows.length === 0 ? (
          <p className="note dep-none">Its newest 20 runs called no task.</p>
        ) : (
          <table className="tbl">
            <thead>
              <tr>
                <th>Task</th>
                <th className="r">Calls in the last 20 runs</th>
                <th className="r">Failed</th>
                <th className="r">Tried again</th>
                <th>What to make of it</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((task) => (
                <tr key={task.name}>
                  <td className="name" title={task.name}>
                    {task.name}
                  </td>
                  <td className="r">{figure(task.runs)}</td>
                  <td className={task.failed > 0 ? "r t-failed" : "r q"}>
                    {task.failed > 0 ? `${figure(task.failed)}, ${percent(task.failed, task.runs)}` : "none"}
                  </td>
                  <td className={task.retried > 0 ? "r t-late" : "r q"}>
                    {task.retried > 0
                      ? `${figure(task.retried)}, ${percent(task.retried, task.runs)}`
                      : "none"}
                  </td>
                  <td className="q">
                    {task.failed === task.runs
                      ? "it always fails"
                      : task.failed + task.retried > 0
                        ? "flaky: it fails now and then"
                        : "steady"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )
      }
    </Loaded>
  );
}

function DeleteFlow({
  open,
  flow,
  total,
  deployments,
  onClose,
}: {
  open: boolean;
  flow: Flow;
  total: number | undefined;
  deployments: number | undefined;
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const many = (total ?? 0) + (deployments ?? 0) > 10;
  return (
    <ConfirmDestroy
      open={open}
      title={`Delete flow ${flow.name}?`}
      verb={`Delete ${flow.name}`}
      typed={many ? flow.name : undefined}
      losses={[
        total === undefined
          ? "all of its runs"
          : `${counted(total, "run")}, with task runs, logs and results`,
        deployments === undefined
          ? "its deployments"
          : `${counted(deployments, "deployment")} with schedules`,
        "The code stays where it lies.",
      ]}
      onClose={onClose}
      act={async () => {
        // Its page goes first: it would ask for what is gone.
        await navigate({ to: "/flows" });
        await act("Not deleted", () => deleteFlow(flow.id), { done: `${flow.name} is deleted` });
        void queries.invalidateQueries({ queryKey: ["flows"] });
      }}
    />
  );
}
