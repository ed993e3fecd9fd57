import { Copy } from "lucide-react";
import type { ReactNode } from "react";
import type { RunDetails } from "@/data/oneRun";
import { Button } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { SectionHead, Tags } from "@/parts/page";
import { Time } from "@/parts/Time";
import { Values } from "@/parts/Values";
import { TracebackView } from "@/parts/logs/TracebackView";

/** A value with a button that copies it. */
export function Copied({ text, what }: { text: string | null | undefined; what: string }) {
  if (!text) return <span className="q">none</span>;
  return (
    <span className="row gap1">
      <span className="mono cut" title={text}>
        {text}
      </span>
      <Button quiet small icon label={`Copy ${what}`} onClick={() => void copy(text, what)}>
        <Copy className="i s" />
      </Button>
    </span>
  );
}

export default function DetailsTab({ run }: { run: RunDetails }) {
  const rows: [string, ReactNode][] = [
    ["Run id", <Copied key="i" text={run.id} what="Run id" />],
    ["Flow id", <Copied key="f" text={run.flow_id} what="Flow id" />],
    ["Deployment id", <Copied key="d" text={run.deployment_id} what="Deployment id" />],
    ["Entrypoint", <Copied key="e" text={run.entrypoint} what="Entrypoint" />],
    ["Flow version", <Copied key="v" text={run.flow_version} what="Flow version" />],
    ["Deployment version", <Copied key="dv" text={run.deployment_version} what="Deployment version" />],
    ["Code revision", <Copied key="c" text={run.code_revision} what="Code revision" />],
    ["Idempotency key", <Copied key="k" text={run.idempotency_key} what="Idempotency key" />],
    ["Process", <Copied key="p" text={run.infrastructure_pid} what="Process" />],
    ["Tags", run.tags.length > 0 ? <Tags key="t" tags={run.tags} /> : <span className="q">none</span>],
    ["Created", <Time key="cr" at={run.created} />],
    ["Expected start", <Time key="es" at={run.expected_start_time} />],
    ["Started", <Time key="st" at={run.start_time} />],
    ["Ended", <Time key="en" at={run.end_time} />],
  ];
  return (
    <>
      {run.error?.traceback && (
        <>
          <SectionHead title="Error" />
          <div className="pad">
            <TracebackView text={run.error.traceback} />
          </div>
        </>
      )}
      <SectionHead title="Details" />
      <dl className="kv pad details">
        {rows.map(([name, value]) => (
          <div key={name} className="kv-row">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <SectionHead title="Job variables" count={Object.keys(run.job_variables).length || "none"} />
      {Object.keys(run.job_variables).length > 0 && (
        <Values value={run.job_variables} label="Job variables" />
      )}
      <SectionHead title="Everything as JSON" />
      <Values value={run} label="Run" />
    </>
  );
}
