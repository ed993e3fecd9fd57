/** Changes of many runs: those at work with their progress, and a list of the last ones. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { History } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { cancelJob, didWord, doing, isOpen, type Job, jobsQuery, refusedQuery, turns } from "@/data/jobs";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Dialog } from "@/parts/overlays";
import { Time } from "@/parts/Time";
import { counted, figure } from "@/words/numbers";
import { wordOf } from "@/words/states";

export function Jobs() {
  const jobs = useQuery(jobsQuery).data ?? [];
  const queries = useQueryClient();
  const open = jobs.filter(isOpen);
  const before = useRef(0);
  useEffect(() => {
    // What a job changed is shown as soon as it has ended.
    if (open.length < before.current) {
      void queries.invalidateQueries({ queryKey: ["run_list"] });
      void queries.invalidateQueries({ queryKey: ["run_summary"] });
    }
    before.current = open.length;
  }, [open.length, queries]);
  if (open.length === 0) return null;
  return (
    <div className="jobs" role="status" aria-label="Changes at work">
      {open.map((job) => (
        <OneJob key={job.id} job={job} />
      ))}
    </div>
  );
}

function aim(job: Job): string {
  const state = job.asked.state ? ` to ${wordOf(job.asked.state.type, job.asked.state.name ?? null)}` : "";
  return `${counted(job.total, "run")}${state}`;
}

function OneJob({ job }: { job: Job }) {
  const queries = useQueryClient();
  const [run, isBusy] = useAct();
  const stop = () =>
    void run("Not stopped", async () => {
      await cancelJob(job.id);
      await queries.invalidateQueries({ queryKey: jobsQuery.queryKey });
    });
  return (
    <div className="job">
      <b className="b">
        {doing(job.verb)} {aim(job)}
      </b>
      <span className="q cut" title={job.asked.label}>
        {job.asked.label}
      </span>
      <span className="meter" aria-hidden>
        <i style={{ width: `${(100 * turns(job)) / Math.max(1, job.total)}%` }} />
      </span>
      <span>
        {job.status === "waiting" ? "begins in a moment" : `${figure(turns(job))} of ${figure(job.total)}`}
      </span>
      <Button small disabled={isBusy} onClick={stop}>
        {job.status === "waiting" ? "Take back" : "Stop"}
      </Button>
    </div>
  );
}

/** The button that opens the list of the last changes; only where there were some. */
export function JobsButton() {
  const jobs = useQuery(jobsQuery).data ?? [];
  const [isShown, setShown] = useState(false);
  if (jobs.length === 0) return null;
  return (
    <>
      <Button icon label="Changes of many runs" onClick={() => setShown(true)}>
        <History className="i" />
      </Button>
      <Dialog open={isShown} title="Changes of many runs" size={640} onClose={() => setShown(false)}>
        <div className="jobs-list">
          {jobs.map((job) => (
            <PastJob key={job.id} job={job} />
          ))}
        </div>
      </Dialog>
    </>
  );
}

function PastJob({ job }: { job: Job }) {
  const [open, setOpen] = useState(false);
  const refused = job.outcomes.refused ?? 0;
  const left = (job.outcomes.changed ?? 0) + (job.outcomes.gone ?? 0);
  return (
    <div className="past-job">
      <div className="row">
        <b className="b">
          {didWord(job.verb)} {figure(job.outcomes.done ?? 0)} of {aim(job)}
        </b>
        <span className="q cut" title={job.asked.label}>
          {job.asked.label}
        </span>
        <span className="push q">
          <Time at={job.created} />
        </span>
      </div>
      <div className="row sm m">
        {job.status === "cancelled" && <span>stopped</span>}
        {isOpen(job) && <span>{job.status}</span>}
        {left > 0 && <span>{figure(left)} had changed since or were gone</span>}
        {refused > 0 && (
          <button type="button" className="link" aria-expanded={open} onClick={() => setOpen(!open)}>
            {figure(refused)} refused by the rules
          </button>
        )}
      </div>
      {open && <Refused id={job.id} />}
    </div>
  );
}

function Refused({ id }: { id: string }) {
  const found = useQuery(refusedQuery(id)).data ?? [];
  return (
    <ul className="sm">
      {found.map((each) => (
        <li key={each.flow_run_id}>
          <Link to={`/runs/${each.flow_run_id}`} className="link">
            {each.flow_run_id.slice(0, 8)}
          </Link>{" "}
          {each.reason}
        </li>
      ))}
    </ul>
  );
}
