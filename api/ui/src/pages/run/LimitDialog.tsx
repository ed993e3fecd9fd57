import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { said } from "@/data/failures";
import { act } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";
import { Loaded } from "@/parts/places";
import { toast } from "@/parts/toasts";
import type { Limit } from "./Reasons";

/** Change the number of runs that may go on at once. */
export function LimitDialog({
  what,
  read,
  write,
  onDone,
  onClose,
}: Limit & { onDone: () => Promise<unknown>; onClose: () => void }) {
  const query = useQuery({ queryKey: ["limit", what], queryFn: read, gcTime: 0, staleTime: 0 });
  return (
    <Dialog open title={`Raise the limit of ${what}`} onClose={onClose}>
      <Loaded query={query} what="The limit" rows={1}>
        {(limit) => <Inside what={what} limit={limit} write={write} onDone={onDone} onClose={onClose} />}
      </Loaded>
    </Dialog>
  );
}

function Inside({
  what,
  limit,
  write,
  onDone,
  onClose,
}: Omit<Limit, "read"> & { limit: number | null; onDone: () => Promise<unknown>; onClose: () => void }) {
  const [text, setText] = useState(String((limit ?? 0) + 1));
  const [error, setError] = useState<string | null>(null);
  const go = async () => {
    try {
      await write(text.trim() === "" ? null : Number(text));
      await onDone();
      toast({
        text: `The limit of ${what} is ${text.trim() || "none"} now`,
        undo: () => void act("Not undone", () => write(limit)),
      });
      onClose();
    } catch (failed) {
      setError(said(failed));
    }
  };
  return (
    <>
      <TextField
        label="Runs at once"
        help="Empty: no limit."
        inputMode="numeric"
        was={limit === null ? null : String(limit)}
        value={text}
        error={error}
        onChange={(event) => setText(event.target.value)}
        data-autofocus
      />
      <div className="row dlg-acts">
        <Button onClick={onClose}>Keep it</Button>
        <Button onClick={() => void go()}>Set the limit</Button>
      </div>
    </>
  );
}
