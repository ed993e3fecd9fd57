import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Copy, Ellipsis, Pause, Pencil, Play, Trash2 } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { revisionOf } from "@/data/code";
import {
  type Deployment,
  deploymentQuery,
  pauseDeployment,
  recentQuery,
  resumeDeployment,
  runDeployment,
} from "@/data/deployments";
import { useNames } from "@/data/names";
import { useUrlState } from "@/data/urlState";
import { usualQuery } from "@/data/usual";
import { act, useAct } from "@/parts/acting";
import { Button, ButtonLink } from "@/parts/Button";
import { Tabs } from "@/parts/choosing";
import { CopyAs, Menu } from "@/parts/overlays";
import { Fact, Facts, SectionHead, Tags, Title } from "@/parts/page";
import { Loaded, Skeleton } from "@/parts/places";
import { StateBadge, StateGlyph } from "@/parts/StateGlyph";
import { Ago, Time } from "@/parts/Time";
import { Values } from "@/parts/Values";
import { counted, duration } from "@/words/numbers";
import { CodeTab } from "./CodeTab";
import { Configuration } from "./Configuration";
import { DeleteDeployment } from "./DeleteDeployment";
import "./deployments.css";
import { Duplicate } from "./Duplicate";
import { LatestRuns } from "./LatestRuns";
import { isBad } from "./pastRuns";
import { RunsChart } from "./RunsChart";
import { Schedules } from "./Schedules";
import { UpcomingTab, useUpcomingOf } from "./UpcomingTab";

const Markdown = lazy(() => import("@/parts/artifact/Markdown"));
const SHOWN = 60;

export default function DeploymentPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return (
    <Loaded query={useQuery(deploymentQuery(id))} what="The deployment">
      {(deployment) => <Opened key={id} deployment={deployment} />}
    </Loaded>
  );
}

function Opened({ deployment }: { deployment: Deployment }) {
  const { id, flow_id: flowId } = deployment;
  const flowName = useNames("flows", [flowId]).get(flowId) ?? "";
  const recent = useQuery(recentQuery({ deployment_ids: [id] }, SHOWN)).data?.[id];
  const usual = useQuery(usualQuery({ deployment_ids: [id] })).data?.[id];
  const next = useUpcomingOf(id).data?.next.find((each) => !each.skipped);
  const [tab] = useUrlState("tab", "upcoming");
  const runs = recent?.runs ?? [];
  const ended = runs.filter((run) => run.end);
  const good = ended.filter((run) => run.state_type === "COMPLETED").length;
  const full = `${flowName}/${deployment.name}`;
  const tabs = [
    { value: "upcoming", text: "Upcoming" },
    { value: "runs", text: "Runs" },
    {
      value: "parameters",
      text: "Parameters",
      count: Object.keys(deployment.parameters).length || undefined,
    },
    { value: "job", text: "Job variables", count: Object.keys(deployment.job_variables).length || undefined },
    { value: "code", text: "Code" },
    { value: "configuration", text: "Configuration" },
    ...(deployment.description ? [{ value: "description", text: "Description" }] : []),
  ];
  return (
    <>
      <Title
        crumbs={[
          { text: "Deployments", to: "/deployments" },
          { text: flowName || "flow", to: `/flows/${flowId}` },
        ]}
        title={deployment.name}
        after={
          <>
            {deployment.paused ? (
              <StateBadge type="PAUSED" name="Paused" />
            ) : deployment.status === "READY" ? (
              <StateBadge type="COMPLETED" name="Ready" />
            ) : (
              <StateBadge type="PENDING" name="Not ready" />
            )}
            <Tags tags={deployment.tags} />
          </>
        }
      >
        <Actions deployment={deployment} fullName={full} />
      </Title>
      <Facts>
        <Fact name="Next run">
          {next ? (
            <>
              <b className="b">
                <Time at={next.at} />
              </b>{" "}
              <span className="q">
                <Ago at={next.at} />
              </span>
            </>
          ) : (
            <span className="q">{deployment.paused ? "paused" : "none"}</span>
          )}
        </Fact>
        <Fact name={`Last ${ended.length || "runs"}`}>
          {ended.length === 0 ? (
            <span className="q">none</span>
          ) : (
            <>
              {good} ok
              {good < ended.length && (
                <>
                  , <span className="t-failed">{ended.length - good} not</span>
                </>
              )}
            </>
          )}
        </Fact>
        <Fact name="Usual length">
          {usual ? duration(usual.median_s) : <span className="q">not known yet</span>}
        </Fact>
        <Fact name="Pool">
          {deployment.work_pool_name ? (
            <>
              <Link to={`/work-pools/${encodeURIComponent(deployment.work_pool_name)}`}>
                {deployment.work_pool_name}
              </Link>{" "}
              <span className="q">{deployment.work_queue_name}</span>
            </>
          ) : (
            <span className="q">none</span>
          )}
        </Fact>
        <Fact name="Concurrency">
          <Concurrency deployment={deployment} />
        </Fact>
        {deployment.entrypoint && (
          <Fact name="Entrypoint">
            <span className="mono cut dep-entry" title={deployment.entrypoint}>
              {deployment.entrypoint}
            </span>
          </Fact>
        )}
        {deployment.version && (
          <Fact name="Version" grow>
            <span className="mono cut" title={deployment.version}>
              {deployment.version.slice(0, 12)}
            </span>{" "}
            <span className="q">
              <Ago at={deployment.updated} />
            </span>
          </Fact>
        )}
      </Facts>
      <div className="cols dep-cols grow0">
        <div className="dep-main">
          <SectionHead title={`Last ${runs.length || ""} runs`.replace("  ", " ")}>
            {(["COMPLETED", "FAILED", "CRASHED"] as const).map((type) => {
              const count = runs.filter((run) => run.state_type === type).length;
              return (
                count > 0 && (
                  <span key={type} className="row gap1">
                    <StateGlyph type={type} /> {count}
                  </span>
                )
              );
            })}
            <Link className="link" to="." search={{ tab: "runs" } as never} resetScroll={false}>
              All runs
            </Link>
          </SectionHead>
          <div className="dep-chart">
            <RunsChart recent={recent} usual={usual} />
          </div>
          <div className="bt" />
          <Tabs tabs={tabs} open={tab} />
          {tab === "upcoming" && (
            <>
              <UpcomingTab deployment={deployment} />
              <div className="bt" />
              <SectionHead title="Latest runs" />
              <LatestRuns filter={{ deployments: { id: { any_: [id] } } }} usual={usual} />
            </>
          )}
          {tab === "runs" && (
            <LatestRuns filter={{ deployments: { id: { any_: [id] } } }} usual={usual} whole />
          )}
          {tab === "parameters" && <Given label="Parameters" value={deployment.parameters} />}
          {tab === "job" && <Given label="Job variables" value={deployment.job_variables} />}
          {tab === "code" && (
            <CodeTab
              of="deployments"
              id={id}
              entrypoint={deployment.entrypoint}
              revision={revisionOf(deployment.pull_steps)}
            />
          )}
          {tab === "configuration" && <Configuration deployment={deployment} fullName={full} />}
          {tab === "description" && (
            <Suspense fallback={<Skeleton rows={3} />}>
              <div className="dep-text">
                <Markdown text={deployment.description ?? ""} />
              </div>
            </Suspense>
          )}
        </div>
        <Schedules
          deployment={deployment}
          usual={usual}
          failing={runs.slice(-3).every((run) => isBad(run.state_type)) && runs.length >= 3}
        />
      </div>
    </>
  );
}

function Given({ label, value }: { label: string; value: Record<string, unknown> }) {
  return Object.keys(value).length === 0 ? (
    <p className="note dep-none">
      None are set: those of the {label === "Parameters" ? "flow" : "work pool"} hold.
    </p>
  ) : (
    <Values value={value} label={label} />
  );
}

function Concurrency({ deployment }: { deployment: Deployment }) {
  const {
    concurrency_limit: own,
    global_concurrency_limit: shared,
    concurrency_options: options,
  } = deployment;
  const limit = shared?.limit ?? own;
  if (limit === null) return <span className="q">no limit</span>;
  const full = options?.collision_strategy === "CANCEL_NEW" ? "new ones are cancelled" : "new ones wait";
  return (
    <>
      {shared ? `${shared.active_slots} of ${limit}` : `${limit} at a time`} <span className="q">{full}</span>
    </>
  );
}

function Actions({ deployment, fullName }: { deployment: Deployment; fullName: string }) {
  const { id } = deployment;
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [asking, setAsking] = useState<"delete" | "duplicate" | null>(null);
  const [going, busy] = useAct();
  const refresh = () =>
    Promise.all(["deployment", "upcoming"].map((key) => queries.invalidateQueries({ queryKey: [key] })));
  const setPaused = async (paused: boolean) => {
    const doing = (to: boolean) => (to ? pauseDeployment(id) : resumeDeployment(id));
    await act(paused ? "Not paused" : "Not resumed", () => doing(paused), {
      done: paused ? `${deployment.name} is paused` : `${deployment.name} runs again`,
      undo: () => void doing(!paused).then(refresh),
    });
    void refresh();
  };
  const run = () =>
    going("Not started", async () => {
      const made = await runDeployment(id);
      await navigate({ to: `/runs/${made.id}` });
    });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as HTMLElement).closest("input,textarea,select,[contenteditable],[role=dialog]"))
        return;
      if (event.key === "R") void navigate({ to: `/deployments/${id}/run` });
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [id, navigate]);
  return (
    <>
      {deployment.paused ? (
        <Button onClick={() => void setPaused(false)}>
          <Play className="i s" /> Resume
        </Button>
      ) : (
        <Button onClick={() => void setPaused(true)}>
          <Pause className="i s" /> Pause
        </Button>
      )}
      <ButtonLink to={`/deployments/${id}/edit`}>
        <Pencil className="i s" /> Edit
      </ButtonLink>
      <CopyAs
        json={deployment}
        commands={{
          cli: `heliostat deployment run '${fullName}' --watch`,
          api: { method: "POST", path: `/deployments/${id}/create_flow_run`, body: {} },
          python: `from heliostat import run_deployment\n\nrun = run_deployment(${JSON.stringify(fullName)})`,
        }}
      />
      <Menu
        label="More"
        button={
          <button type="button" className="btn icon" aria-label="More">
            <Ellipsis className="i" />
          </button>
        }
        items={[
          { text: "Duplicate…", icon: <Copy className="i s" />, act: () => setAsking("duplicate") },
          { text: "Delete…", icon: <Trash2 className="i s" />, danger: true, act: () => setAsking("delete") },
        ]}
      />
      <span className="split">
        <Button sun disabled={busy} onClick={() => void run()}>
          <Play className="i s" /> Run
        </Button>
        <ButtonLink sun to={`/deployments/${id}/run`}>
          with changes…
        </ButtonLink>
      </span>
      <DeleteDeployment
        open={asking === "delete"}
        deployment={deployment}
        fullName={fullName}
        onClose={() => setAsking(null)}
      />
      {asking === "duplicate" && <Duplicate deployment={deployment} onClose={() => setAsking(null)} />}
      <span className="sr">{counted(deployment.schedules.length, "schedule")}</span>
    </>
  );
}
