import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CalendarRange, Play } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { clusterQuery } from "@/data/cluster";
import { runDeployment, type Deployment, type Pool, type Values } from "@/data/deployments";
import type { FlowRun } from "@/data/runs";
import { useUrlState } from "@/data/urlState";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { FORM_VIEWS, FormOrText, type FormView } from "@/parts/form/FormOrText";
import { SchemaForm } from "@/parts/form/SchemaForm";
import { SectionHead, Title } from "@/parts/page";
import { Backfill } from "./Backfill";
import { BeforeYouStart } from "./BeforeYouStart";
import { basesOf, bodyOf, type Draft, freshDraft } from "./draft";
import { fitOf } from "./fitting";
import { HowItRuns } from "./HowItRuns";
import { Commands, Differences, StartFrom } from "./Sides";
import { useRunCheck } from "./useRunCheck";

export function RunForm({
  deployment,
  pool,
  run,
  flowName,
}: {
  deployment: Deployment;
  pool: Pool | undefined;
  run: FlowRun | undefined;
  flowName: string;
}) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [view, setView] = useUrlState("view", "form");
  const [backfill, setBackfill] = useState(false);
  const bases = useMemo(() => basesOf(deployment, pool?.base_job_template.variables), [deployment, pool]);
  const [draft, setDraft] = useState<Draft>(() => startOf(freshDraft(bases), run));
  const [going, busy] = useAct();
  const set = (changes: Partial<Draft>) => setDraft((old) => ({ ...old, ...changes }));
  const body = bodyOf(draft, bases);
  const check = useRunCheck(deployment.id, body);
  const cluster = useQuery({ ...clusterQuery(), enabled: pool?.type === "ray" }).data;
  const fit = cluster?.is_up && cluster.picture ? fitOf(draft.job, cluster.picture.nodes) : null;
  const isBad = check.parameters.length + check.job.length + check.others.length > 0;
  const mayRun = check.isFresh && !isBad && !busy;

  const go = async () => {
    await going("Not started", async () => {
      const made = await runDeployment(deployment.id, body);
      void queries.invalidateQueries({ queryKey: ["flow_runs"] });
      await navigate({ to: `/runs/${made.id}` });
    });
  };
  const latest = useRef({ go, mayRun });
  useEffect(() => {
    latest.current = { go, mayRun };
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (latest.current.mayRun) void latest.current.go();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  const schema = deployment.parameter_openapi_schema ?? {};
  const count = Object.keys((schema["properties"] as Values | undefined) ?? {}).length;
  const function_ = deployment.entrypoint?.split(":").pop();
  return (
    <>
      <Title
        crumbs={[
          { text: "Deployments", to: "/deployments" },
          { text: flowName || "flow", to: `/flows/${deployment.flow_id}` },
          { text: deployment.name, to: `/deployments/${deployment.id}` },
        ]}
        title="Run with changes"
        sub={run && `from ${run.name}`}
      >
        <Segmented
          label="Form or text"
          value={view as FormView}
          choices={FORM_VIEWS}
          onChange={(value) => setView(value)}
        />
        <Button onClick={() => setBackfill(true)}>
          <CalendarRange className="i s" /> Backfill over a range…
        </Button>
        <Button quiet onClick={() => setDraft(freshDraft(bases))}>
          Discard
        </Button>
        <Button sun disabled={!mayRun} onClick={() => void go()}>
          <Play className="i s" /> Run <span className="kbd">Ctrl Enter</span>
        </Button>
      </Title>
      <div className="cols cr-cols bt grow0">
        <div>
          <SectionHead
            title="Parameters"
            count={
              count > 0 ? `${count}${function_ ? `, from the signature of ${function_}()` : ""}` : "none"
            }
          >
            <Button small quiet onClick={() => set({ parameters: bases.parameters })}>
              All back to defaults
            </Button>
          </SectionHead>
          <div className="formpad">
            <FormOrText
              view={view as FormView}
              label="Parameters"
              value={draft.parameters}
              onChange={(parameters) => set({ parameters })}
            >
              {count === 0 ? (
                <span className="note">The flow takes no parameters.</span>
              ) : (
                <SchemaForm
                  id="parameters"
                  schema={schema}
                  value={draft.parameters}
                  base={bases.parameters}
                  problems={check.parameters}
                  onChange={(parameters) => set({ parameters })}
                />
              )}
            </FormOrText>
          </div>
          <div className="bt" />
          <HowItRuns
            deployment={deployment}
            pool={pool}
            draft={draft}
            bases={bases}
            job={check.job}
            set={set}
          />
        </div>
        <aside className="dep-side" aria-label="Check, differences and commands">
          <BeforeYouStart
            check={check}
            fit={fit}
            cancelsNew={deployment.concurrency_options?.collision_strategy === "CANCEL_NEW"}
          />
          <Differences draft={draft} bases={bases} problems={[...check.parameters, ...check.job]} />
          <Commands id={deployment.id} fullName={`${flowName}/${deployment.name}`} body={body} />
          <StartFrom
            deployment={deployment}
            draft={draft}
            bases={bases}
            onTake={(parameters) => set({ parameters })}
          />
        </aside>
      </div>
      {backfill && (
        <Backfill deployment={deployment} body={body} isBad={isBad} onClose={() => setBackfill(false)} />
      )}
    </>
  );
}

/** The draft with the values of an earlier run. */
function startOf(draft: Draft, run: FlowRun | undefined): Draft {
  if (!run) return draft;
  const tags = run.tags.filter((tag) => tag !== "auto-scheduled");
  return { ...draft, parameters: { ...draft.parameters, ...run.parameters }, tags };
}
