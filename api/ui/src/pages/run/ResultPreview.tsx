import { useQuery } from "@tanstack/react-query";
import { previewQuery } from "@/data/oneRun";
import { Loaded } from "@/parts/places";
import { Values } from "@/parts/Values";
import { bytes } from "@/words/numbers";

/** What a run returned, as far as it can be shown without running anything in it. */
export function ResultPreview({
  kind,
  id,
  stateId,
  going,
}: {
  kind: "flow_runs" | "task_runs";
  id: string;
  stateId: string | undefined;
  going: boolean;
}) {
  const query = useQuery(previewQuery(kind, id, stateId));
  return (
    <Loaded query={query} what="The result" rows={2}>
      {(found) => {
        if (found.kind === null || found.kind === "none")
          return (
            <p className="note pad">
              {going ? "None yet." : "Nothing was returned, or nothing of it was kept."}
            </p>
          );
        if (found.kind === "memory")
          return <p className="note pad">The value is in the memory of its run, and nowhere else.</p>;
        const facts = [
          found.type,
          found.size === null ? null : bytes(found.size),
          found.kind,
          found.serializer,
          found.cut ? "cut where it is long" : null,
        ];
        return (
          <>
            <p className="note pad">{facts.filter(Boolean).join(", ")}</p>
            {found.problem ? (
              <p className="m pad">It is not shown: {found.problem}.</p>
            ) : (
              <Values value={found.value} label="Result" />
            )}
          </>
        );
      }}
    </Loaded>
  );
}
