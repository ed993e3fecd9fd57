import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiFailure, said } from "@/data/failures";
import { changeLimit, createLimit, type Limit, type LimitFields, limitsQuery, TAG } from "@/data/limits";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";

type Kind = "name" | "tag";
const KINDS = [
  { value: "name", text: "By name" },
  { value: "tag", text: "On a tag" },
] as const satisfies readonly { value: Kind; text: string }[];

/** A new limit, or the changes of one. */
export function LimitDialog({ limit, onClose }: { limit: Limit | "new"; onClose: () => void }) {
  const old = limit === "new" ? null : limit;
  const [kind, setKind] = useState<Kind>(old?.name.startsWith(TAG) ? "tag" : "name");
  const [name, setName] = useState(old ? old.name.replace(TAG, "") : "");
  const [most, setMost] = useState(old ? String(old.limit) : "");
  const [decay, setDecay] = useState(old?.slot_decay_per_second ? String(old.slot_decay_per_second) : "");
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const told = failed instanceof ApiFailure ? failed.fields : [];
  const of = (field: string) => told.find((each) => each.at === field)?.text ?? null;
  const save = async () => {
    setBusy(true);
    setFailed(null);
    const fields: LimitFields = {
      name: kind === "tag" ? `${TAG}${name}` : name,
      // What is no number is refused by the server, in its words.
      limit: (most.trim() === "" ? null : Number.isNaN(Number(most)) ? most : Number(most)) as number,
      active: old?.active ?? true,
      slot_decay_per_second: (decay.trim() === ""
        ? 0
        : Number.isNaN(Number(decay))
          ? decay
          : Number(decay)) as number,
    };
    try {
      await (old ? changeLimit(old, fields) : createLimit(fields));
      await queries.invalidateQueries({ queryKey: limitsQuery.queryKey });
      onClose();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open title={old ? `Change limit ${old.name}` : "New limit"} onClose={onClose}>
      <form
        className="grid1"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {!old && <Segmented label="What is limited" value={kind} onChange={setKind} choices={KINDS} />}
        <TextField
          label={kind === "tag" ? "Tag" : "Name"}
          help={
            kind === "tag" ? "Of tasks: in all runs together." : "As code names it when it asks for a slot."
          }
          value={name}
          error={of("name")}
          data-autofocus
          onChange={(event) => setName(event.target.value)}
        />
        <div className="form2">
          <TextField
            label="Limit"
            hint="slots"
            inputMode="numeric"
            value={most}
            error={of("limit")}
            onChange={(event) => setMost(event.target.value)}
          />
          {kind === "name" && (
            <TextField
              label="Refill"
              hint="slots a second"
              help="For rates: taken slots come back by themselves. Empty: they are given back."
              inputMode="decimal"
              value={decay}
              error={of("slot_decay_per_second")}
              onChange={(event) => setDecay(event.target.value)}
            />
          )}
        </div>
        {failed !== null && told.length === 0 && (
          <div className="err-line" role="alert">
            {said(failed)}
          </div>
        )}
        <div className="row dlg-acts">
          <Button onClick={onClose}>Cancel</Button>
          <Button sun type="submit" disabled={busy || name === ""}>
            {old ? "Save limit" : "Make limit"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
