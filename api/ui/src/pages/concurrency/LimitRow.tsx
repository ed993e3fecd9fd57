/** One limit: its slots as cells; opened it shows who holds them and who waits. */

import { useQueryClient } from "@tanstack/react-query";
import { ChevronDown, ChevronRight, Ellipsis, Pencil, RotateCcw, Trash2 } from "lucide-react";
import { changeLimit, type Limit, limitsQuery, TAG } from "@/data/limits";
import { useUrlState } from "@/data/urlState";
import { useAct } from "@/parts/acting";
import { Cells } from "@/parts/Cells";
import { Switch } from "@/parts/choosing";
import { Menu } from "@/parts/overlays";
import { counted } from "@/words/numbers";
import { Holders } from "./Holders";

type Props = { limit: Limit; edit: () => void; drop: () => void; reset: () => void };

export function LimitRow({ limit, edit, drop, reset }: Props) {
  const [open, setOpen] = useUrlState("open");
  const [act, busy] = useAct();
  const queries = useQueryClient();
  const isOpen = open === limit.id;
  const taken = Math.ceil(limit.active_slots);
  const name = limit.name.startsWith(TAG) ? limit.name.slice(TAG.length) : limit.name;
  const decays = limit.slot_decay_per_second > 0;
  const full = taken >= limit.limit && limit.active;
  const activate = (active: boolean) =>
    void act(
      "Not changed",
      () =>
        changeLimit(limit, { active }).finally(
          () => void queries.invalidateQueries({ queryKey: limitsQuery.queryKey }),
        ),
      { done: active ? `${name} limits again` : `${name} limits nothing now` },
    );
  return (
    <div className={isOpen ? "lim open" : "lim"}>
      <div className="lim-head">
        <button
          type="button"
          aria-expanded={isOpen}
          aria-label={`${isOpen ? "Close" : "Open"} ${name}`}
          onClick={() => setOpen(isOpen ? "" : limit.id)}
        >
          {isOpen ? <ChevronDown className="i" /> : <ChevronRight className="i" />}
        </button>
        <button
          type="button"
          className="b cut lim-name"
          title={limit.name}
          onClick={() => setOpen(isOpen ? "" : limit.id)}
        >
          {name}
        </button>
        <Cells
          taken={taken}
          total={limit.limit}
          tone={full && limit.waiting.length > 0 ? "late" : "running"}
          label={`${taken} of ${limit.limit} slots taken`}
        />
        <span className="r nw">
          {taken} <span className="q">of {limit.limit}</span>
        </span>
        <span className={limit.waiting.length > 0 ? "nw t-late" : "nw q"}>
          {limit.waiting.length > 0
            ? `${counted(limit.waiting.length, "call waits", "calls wait")}`
            : "nobody waits"}
        </span>
        <span className="q cut lim-about">
          {decays && `refills ${limit.slot_decay_per_second} a second`}
          {limit.deployments > 0 &&
            `${decays ? ", " : ""}shared by ${counted(limit.deployments, "deployment")}`}
          {!limit.active && `${decays || limit.deployments > 0 ? ", " : ""}switched off`}
        </span>
        <Switch on={limit.active} label={`${name} limits`} disabled={busy} onChange={activate} />
        <Menu
          label={`More for ${name}`}
          button={
            <button
              type="button"
              className="btn quiet small icon"
              aria-label={`More for ${name}`}
              title="More"
            >
              <Ellipsis className="i s" />
            </button>
          }
          items={[
            { text: "Change", icon: <Pencil className="i s" />, act: edit },
            {
              text: "Free all slots",
              icon: <RotateCcw className="i s" />,
              disabled: taken === 0,
              act: reset,
            },
            { text: "Delete", icon: <Trash2 className="i s" />, danger: true, act: drop },
          ]}
        />
      </div>
      {isOpen && <Holders limit={limit} />}
    </div>
  );
}
