import { type FormEvent, useState } from "react";
import { said } from "@/data/failures";
import { Button } from "@/parts/Button";
import { Switch } from "@/parts/choosing";
import { SelectField, TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";

const STATES = [
  { value: "COMPLETED", text: "Completed" },
  { value: "FAILED", text: "Failed" },
  { value: "CANCELLED", text: "Cancelled" },
  { value: "CRASHED", text: "Crashed" },
  { value: "SCHEDULED", text: "Scheduled" },
  { value: "PENDING", text: "Pending" },
];

type State = { type: string; message?: string };

/** A state for many runs: the rules judge each of them. */
export function SetStateDialog({
  open,
  runs,
  onClose,
  act,
}: {
  open: boolean;
  runs: string;
  onClose: () => void;
  act: (state: State, force: boolean) => Promise<unknown>;
}) {
  const [type, setType] = useState("COMPLETED");
  const [message, setMessage] = useState("");
  const [force, setForce] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const go = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await act({ type, ...(message ? { message } : {}) }, force);
      onClose();
    } catch (error) {
      setFailed(said(error));
    }
  };
  return (
    <Dialog open={open} title={`Set the state of ${runs}`} onClose={onClose}>
      <form className="dlg-form" onSubmit={(event) => void go(event)}>
        <SelectField
          label="State"
          value={type}
          choices={STATES}
          onChange={(event) => setType(event.target.value)}
          error={failed}
        />
        <TextField
          label="Message"
          hint="why"
          value={message}
          maxLength={500}
          onChange={(event) => setMessage(event.target.value)}
        />
        <div className="row">
          <Switch label="Force" on={force} onChange={setForce} />
          <span className="m">Force: only the rules that protect results are asked</span>
        </div>
        <div className="row dlg-acts">
          <Button onClick={onClose}>Keep them</Button>
          <button type="submit" className="btn sun">
            Set state of {runs}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
