import { useQuery } from "@tanstack/react-query";
import { artifactsQuery } from "@/data/oneRun";
import { ArtifactView } from "@/parts/artifact/ArtifactView";
import { Loaded } from "@/parts/places";

export function TaskArtifacts({ id, going }: { id: string; going: boolean }) {
  const query = useQuery(artifactsQuery({ task_run_id: id }, going));
  return (
    <Loaded query={query} what="The artifacts" rows={2}>
      {(found) =>
        found.length === 0 ? (
          <p className="note tr-part">It left none.</p>
        ) : (
          <ul>
            {found.map((each) => (
              <li key={each.id} className="art">
                <div className="row art-h">
                  <b className="b">{each.key ?? each.type ?? "artifact"}</b>
                  <span className="q">{each.type}</span>
                </div>
                <ArtifactView artifact={each} />
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}
