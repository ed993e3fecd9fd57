import { useState } from "react";
import { useClock } from "@/data/preferences";
import type { Planned } from "@/data/upcoming";
import { Button } from "@/parts/Button";
import { TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";
import { zoneName } from "@/words/times";
import { fromWallText, wallText } from "@/words/zoned";

/** When one date is to run instead. */
export function MoveDialog({
  date,
  name,
  onClose,
  onMove,
}: {
  date: Planned;
  name: string;
  onClose: () => void;
  onMove: (to: string) => void;
}) {
  const clock = useClock();
  const [text, setText] = useState(() => wallText(new Date(date.at), clock.zone));
  const to = fromWallText(text, clock.zone);
  return (
    <Dialog open title={`Move one run of ${name}`} onClose={onClose}>
      <form
        className="grid1"
        onSubmit={(event) => {
          event.preventDefault();
          if (to) onMove(to.toISOString());
        }}
      >
        <TextField
          label="Runs at"
          hint={zoneName(clock)}
          type="datetime-local"
          step={1}
          value={text}
          data-autofocus
          error={to ? null : "Give a date and a time."}
          onChange={(event) => setText(event.target.value)}
        />
        <div className="row dlg-acts">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" disabled={!to}>
            Move it
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
