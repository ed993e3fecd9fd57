import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { said } from "@/data/failures";
import { propose } from "@/data/steering";
import { Button } from "@/parts/Button";
import { SelectField, TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";
import { StateBadge, StateGlyph } from "@/parts/StateGlyph";
import { toast } from "@/parts/toasts";

const STATES = [
  ["COMPLETED", "Completed"],
  ["FAILED", "Failed"],
  ["CANCELLED", "Cancelled"],
  ["CRASHED", "Crashed"],
  ["SCHEDULED", "Scheduled"],
  ["PENDING", "Pending"],
  ["RUNNING", "Running"],
] as const;

/** Give a run another state by hand; the rules may refuse, and say why. */
export function SetStateDialog({
  kind,
  id,
  name,
  onClose,
}: {
  kind: "flow_runs" | "task_runs";
  id: string;
  name: string;
  onClose: () => void;
}) {
  const [type, setType] = useState<string>("COMPLETED");
  const [message, setMessage] = useState("");
  const [force, setForce] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const go = async () => {
    setBusy(true);
    setFailed(null);
    try {
      const word = STATES.find((each) => each[0] === type)?.[1];
      await propose(kind, id, { type, name: word, message: message || undefined }, force);
      await queries.invalidateQueries({ queryKey: [kind === "flow_runs" ? "run" : "task_run", id] });
      toast({ text: `${name} is ${word ?? type} now` });
      onClose();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open title={`Set the state of ${name}`} onClose={onClose}>
      <SelectField
        label="State"
        value={type}
        onChange={(event) => setType(event.target.value)}
        choices={STATES.map(([value, text]) => ({ value, text }))}
      />
      <StateBadge type={type} name={STATES.find((each) => each[0] === type)?.[1]} pill />
      <TextField
        label="Why"
        hint="optional"
        value={message}
        onChange={(event) => setMessage(event.target.value)}
      />
      <label className="row">
        <input
          type="checkbox"
          className="tick"
          checked={force}
          onChange={(event) => setForce(event.target.checked)}
        />
        Even if the rules would refuse it
      </label>
      {failed !== null && (
        <div className="row err-line" role="alert">
          <StateGlyph type="FAILED" label={false} /> {said(failed)}
        </div>
      )}
      <div className="row dlg-acts">
        <Button onClick={onClose}>Keep it</Button>
        <Button disabled={busy} onClick={() => void go()}>
          Set state
        </Button>
      </div>
    </Dialog>
  );
}
