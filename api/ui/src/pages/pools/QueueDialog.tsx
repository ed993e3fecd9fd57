import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { changeQueue, createQueue, type Queue } from "@/data/pools";
import { Button } from "@/parts/Button";
import { TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";
import { readWhole, useProblems } from "./reading";

/** A new queue, or the changes of one. */
export function QueueDialog({
  pool,
  queue,
  onClose,
}: {
  pool: string;
  queue: Queue | null;
  onClose: () => void;
}) {
  const [name, setName] = useState(queue?.name ?? "");
  const [priority, setPriority] = useState(queue ? String(queue.priority) : "");
  const [limit, setLimit] = useState(queue?.concurrency_limit?.toString() ?? "");
  const [description, setDescription] = useState(queue?.description ?? "");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  const { of, rest } = useProblems(failed, ["name", "priority", "concurrency_limit", "description"]);
  const queries = useQueryClient();
  const title = queue ? `Change queue ${queue.name}` : "New queue";
  const save = async () => {
    setBusy(true);
    setFailed(null);
    const fields: Record<string, unknown> = { name, concurrency_limit: readWhole(limit), description };
    if (priority !== "") fields["priority"] = readWhole(priority);
    try {
      await (queue ? changeQueue(pool, queue.name, fields) : createQueue(pool, fields));
      await queries.invalidateQueries({ queryKey: ["work_pool", pool] });
      onClose();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open title={title} onClose={onClose}>
      <form
        className="grid1"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextField
          label="Name"
          value={name}
          error={of("name")}
          data-autofocus
          onChange={(event) => setName(event.target.value)}
        />
        <div className="form2">
          <TextField
            label="Priority"
            hint="1 goes first"
            help="Empty: behind all others. The queue that has it, and those after it, move back."
            inputMode="numeric"
            value={priority}
            error={of("priority")}
            onChange={(event) => setPriority(event.target.value)}
          />
          <TextField
            label="Limit"
            hint="runs at a time"
            help="Empty: no limit of its own."
            inputMode="numeric"
            value={limit}
            error={of("concurrency_limit")}
            onChange={(event) => setLimit(event.target.value)}
          />
        </div>
        <TextField
          label="Description"
          value={description}
          error={of("description")}
          onChange={(event) => setDescription(event.target.value)}
        />
        {rest && (
          <div className="err-line" role="alert">
            {rest}
          </div>
        )}
        <div className="row dlg-acts">
          <Button onClick={onClose}>Cancel</Button>
          <Button sun type="submit" disabled={busy || name === ""}>
            {queue ? "Save queue" : "Make queue"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
