/** Deployments that limit their own runs. */

import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pencil } from "lucide-react";
import { useState } from "react";
import { said } from "@/data/failures";
import { changeDeploymentLimit, type DeploymentLimit, limitsQuery } from "@/data/limits";
import { Button } from "@/parts/Button";
import { Cells } from "@/parts/Cells";
import { TextField } from "@/parts/fields";
import { Dialog } from "@/parts/overlays";
import { SectionHead } from "@/parts/page";
import { Counted } from "@/parts/Time";
import { counted } from "@/words/numbers";
import { Who } from "./Holders";

export function DeploymentLimits({ limits }: { limits: readonly DeploymentLimit[] }) {
  const [editing, setEditing] = useState<DeploymentLimit | null>(null);
  return (
    <section aria-label="Limits of deployments" className="bt">
      <SectionHead title="By deployment" count={limits.length} />
      {limits.map((limit) => (
        <div key={limit.id} className="lim">
          <div className="lim-head">
            <span />
            <Link
              className="b cut"
              to={`/deployments/${limit.id}`}
              title={`${limit.flow_name} / ${limit.name}`}
            >
              {limit.flow_name} / {limit.name}
            </Link>
            <Cells
              taken={limit.taken}
              total={limit.limit}
              tone={limit.waiting > 0 && limit.taken >= limit.limit ? "late" : "running"}
              label={`${limit.taken} of ${limit.limit} runs`}
            />
            <span className="r nw">
              {limit.taken} <span className="q">of {limit.limit}</span>
            </span>
            <span className={limit.waiting > 0 && limit.taken >= limit.limit ? "nw t-late" : "nw q"}>
              {limit.waiting > 0 ? (
                <>
                  {counted(limit.waiting, "run waits", "runs wait")}
                  {limit.oldest && (
                    <>
                      , <Counted since={limit.oldest} />
                    </>
                  )}
                </>
              ) : (
                "nobody waits"
              )}
            </span>
            <span className="cut lim-about">
              {limit.holders.slice(0, 3).map((holder, number) => (
                <span key={holder.id}>
                  {number > 0 && ", "}
                  <Who holder={holder} />
                </span>
              ))}
              {limit.holders.length === 0 && (
                <span className="q">
                  {limit.collision_strategy === "CANCEL_NEW" ? "new runs are cancelled when it is full" : ""}
                </span>
              )}
            </span>
            <span />
            <Button
              quiet
              small
              icon
              label={`Change the limit of ${limit.name}`}
              onClick={() => setEditing(limit)}
            >
              <Pencil className="i s" />
            </Button>
          </div>
        </div>
      ))}
      {editing && <Edit limit={editing} onClose={() => setEditing(null)} />}
    </section>
  );
}

function Edit({ limit, onClose }: { limit: DeploymentLimit; onClose: () => void }) {
  const [most, setMost] = useState(String(limit.limit));
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const save = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await changeDeploymentLimit(limit.id, most.trim() === "" ? null : Number(most));
      await queries.invalidateQueries({ queryKey: limitsQuery.queryKey });
      onClose();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open title={`Limit of ${limit.flow_name} / ${limit.name}`} onClose={onClose}>
      <form
        className="grid1"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextField
          label="Runs at a time"
          help="Empty: no limit."
          inputMode="numeric"
          value={most}
          error={failed === null ? null : said(failed)}
          data-autofocus
          onChange={(event) => setMost(event.target.value)}
        />
        <div className="row dlg-acts">
          <Button onClick={onClose}>Cancel</Button>
          <Button sun type="submit" disabled={busy}>
            Save limit
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
