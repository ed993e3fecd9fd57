/** One key: its newest version, all versions, a plot of numbers over them, and two of them side by side. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { type Artifact, deleteArtifact, versionsQuery } from "@/data/artifacts";
import { useUrlState } from "@/data/urlState";
import { ArtifactView } from "@/parts/artifact/ArtifactView";
import { Button } from "@/parts/Button";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { Fact, Facts, SectionHead, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Ago, Time } from "@/parts/Time";
import { counted } from "@/words/numbers";
import { NumbersOverTime } from "./NumbersOverTime";
import "./artifacts.css";

export default function ArtifactPage() {
  const { key = "" } = useParams({ strict: false });
  const query = useQuery(versionsQuery(key));
  return (
    <Loaded query={query} what={`Artifact ${key}`}>
      {(versions) =>
        versions.length === 0 ? (
          <Empty title={`There is no artifact of the key ${key}`} text="It may have been deleted." />
        ) : (
          <Versions name={key} versions={versions} />
        )
      }
    </Loaded>
  );
}

function Versions({ name, versions }: { name: string; versions: Artifact[] }) {
  const [chosen, setChosen] = useUrlState("version");
  const [beside, setBeside] = useUrlState("with");
  const [asks, setAsks] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const shown = versions.find((each) => each.id === chosen) ?? (versions[0] as Artifact);
  const other = versions.find((each) => each.id === beside);
  return (
    <>
      <Title crumbs={[{ text: "Artifacts", to: "/artifacts" }]} title={name} sub={shown.description}>
        <CopyAs
          commands={{
            cli: `heliostat api GET /artifacts/${name}/latest`,
            api: { method: "GET", path: `/artifacts/${name}/latest` },
          }}
          json={shown}
        />
        <Button danger onClick={() => setAsks(true)}>
          Delete version...
        </Button>
      </Title>
      <Facts>
        <Fact name="Type">{shown.type ?? "any"}</Fact>
        <Fact name="Versions">{versions.length}</Fact>
        <Fact name="Changed">
          <Ago at={shown.updated} />
        </Fact>
        {shown.flow_run_id && (
          <Fact name="Made by">
            <Link to={`/runs/${shown.flow_run_id}`} className="link">
              its run
            </Link>
          </Fact>
        )}
        {shown.task_run_id && (
          <Fact name="In">
            <Link to={`/task-runs/${shown.task_run_id}`} className="link">
              its task run
            </Link>
          </Fact>
        )}
      </Facts>
      <NumbersOverTime versions={versions} />
      <div className="cols art-cols bt">
        <section aria-label="The artifact">
          <SectionHead title={shown.id === versions[0]?.id ? "Newest version" : "Version"}>
            <Time at={shown.created} />
          </SectionHead>
          <ArtifactView artifact={shown} />
          {other && (
            <>
              <SectionHead title="Beside it">
                <Time at={other.created} />
                <button type="button" className="link" onClick={() => setBeside("")}>
                  Close
                </button>
              </SectionHead>
              <ArtifactView artifact={other} />
            </>
          )}
        </section>
        <section aria-label="Versions">
          <SectionHead title="Versions" count={versions.length} />
          {versions.map((each) => (
            <div key={each.id} className={each.id === shown.id ? "art-version here" : "art-version"}>
              <button type="button" className="cut" onClick={() => setChosen(each.id)}>
                <Time at={each.created} />
              </button>
              {each.id !== shown.id && (
                <button type="button" className="link sm" onClick={() => setBeside(each.id)}>
                  Beside it
                </button>
              )}
            </div>
          ))}
        </section>
      </div>
      <ConfirmDestroy
        open={asks}
        title={`Delete this version of ${name}?`}
        losses={[
          "What this version holds is lost.",
          versions.length > 1
            ? `${counted(versions.length - 1, "other version")} stay.`
            : "It is the only one: the key goes with it.",
        ]}
        verb="Delete version"
        onClose={() => setAsks(false)}
        act={async () => {
          await deleteArtifact(shown.id);
          await queries.invalidateQueries({ queryKey: ["artifacts"] });
          if (versions.length === 1) await navigate({ to: "/artifacts" });
          else setChosen("");
        }}
      />
    </>
  );
}
