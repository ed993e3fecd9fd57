import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Artifact, artifactsQuery, type RunDetails } from "@/data/oneRun";
import { ArtifactView } from "@/parts/artifact/ArtifactView";
import { SectionHead } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { Ago } from "@/parts/Time";
import { isFinal } from "@/words/states";
import { ResultPreview } from "./ResultPreview";
import { TaskName } from "./LogsTab";

export default function ResultsTab({ run }: { run: RunDetails }) {
  const going = !isFinal(run.state_type);
  const artifacts = useQuery(artifactsQuery({ flow_run_id: run.id }, going));
  return (
    <>
      <SectionHead title="Result" />
      <ResultPreview kind="flow_runs" id={run.id} stateId={run.state?.id} going={going} />
      <SectionHead title="Artifacts" count={artifacts.data?.length || undefined} />
      <Loaded query={artifacts} what="The artifacts" rows={3}>
        {(found) =>
          found.length === 0 ? (
            <p className="note pad">
              None. Tables, texts, links and progress that a run makes for people show here.
            </p>
          ) : (
            <ul>
              {found.map((each) => (
                <ArtifactItem key={each.id} artifact={each} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

function ArtifactItem({ artifact }: { artifact: Artifact }) {
  const name = artifact.key ?? artifact.type ?? "artifact";
  return (
    <li className="art">
      <div className="row art-h">
        <b className="b cut" title={name}>
          {artifact.key ? (
            <Link to={`/artifacts/${encodeURIComponent(artifact.key)}`}>{artifact.key}</Link>
          ) : (
            name
          )}
        </b>
        <span className="q">{artifact.type ?? "no type"}</span>
        {artifact.task_run_id && (
          <span className="q cut">
            of <TaskName id={artifact.task_run_id} link />
          </span>
        )}
        <span className="push q sm">
          <Ago at={artifact.created} />
        </span>
      </div>
      {artifact.description && artifact.type !== "markdown" && (
        <ArtifactView artifact={{ type: "markdown", data: artifact.description, key: `About ${name}` }} />
      )}
      <ArtifactView artifact={artifact} />
    </li>
  );
}
