import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { ApiFailure, said } from "@/data/failures";
import { inputSchemaQuery, type RunDetails } from "@/data/oneRun";
import { resumeRun } from "@/data/steering";
import { Button } from "@/parts/Button";
import { Loaded, Skeleton } from "@/parts/places";
import { Dialog } from "@/parts/overlays";
import { StateGlyph } from "@/parts/StateGlyph";
import { toast } from "@/parts/toasts";

const InputForm = lazy(() => import("./InputForm"));

export function keysetOf(run: RunDetails): Record<string, string> | null {
  const details = run.states[run.states.length - 1]?.state_details;
  const found = details?.["run_input_keyset"];
  return typeof found === "object" && found !== null ? (found as Record<string, string>) : null;
}

/** Let a paused run go on; when it waits for an answer, its form is filled first. */
export function ResumeDialog({ run, onClose }: { run: RunDetails; onClose: () => void }) {
  const keyset = keysetOf(run);
  const schema = useQuery(inputSchemaQuery(run.id, keyset));
  const [answer, setAnswer] = useState<Record<string, unknown>>({});
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const go = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await resumeRun(run.id, keyset ? answer : undefined);
      await queries.invalidateQueries({ queryKey: ["run", run.id] });
      toast({ text: `${run.name} goes on` });
      onClose();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open title={`Resume ${run.name}`} size={keyset ? 560 : 460} onClose={onClose}>
      {keyset ? (
        <Loaded query={schema} what="The form of the answer" rows={3}>
          {(found) => (
            <Suspense fallback={<Skeleton rows={3} />}>
              <InputForm schema={found} value={answer} onChange={setAnswer} />
            </Suspense>
          )}
        </Loaded>
      ) : (
        <p className="m">
          {run.state_name === "Suspended"
            ? "It is scheduled again and goes on in another process. Tasks that completed answer from their record."
            : "Its process waits, and goes on where it stopped."}
        </p>
      )}
      {failed !== null && (
        <div className="row err-line" role="alert">
          <StateGlyph type="FAILED" label={false} />{" "}
          {failed instanceof ApiFailure && failed.fields.length > 0
            ? failed.fields.map((each) => `${each.at}: ${each.text}`).join("; ")
            : said(failed)}
        </div>
      )}
      <div className="row dlg-acts">
        <Button onClick={onClose}>Not yet</Button>
        <Button sun disabled={busy || (keyset !== null && !schema.data)} onClick={() => void go()}>
          Resume
        </Button>
      </div>
    </Dialog>
  );
}
