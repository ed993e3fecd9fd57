/** The command that starts a worker, and whether one has been heard of. */

import { useQuery } from "@tanstack/react-query";
import { Copy } from "lucide-react";
import { useState } from "react";
import { API_URL } from "@/data/base";
import { workersQuery } from "@/data/pools";
import { sessionQuery } from "@/data/session";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { copy } from "@/parts/copying";
import { StateGlyph } from "@/parts/StateGlyph";
import { Ago } from "@/parts/Time";
import { counted } from "@/words/numbers";
import { type How, quoted, startLines } from "./commands";

export function StartCommand({ pool, type }: { pool: string; type: string }) {
  const ours = type === "process";
  const [chosen, setHow] = useState<How>("shell");
  const how: How = ours ? chosen : "stock";
  const locked = useQuery(sessionQuery).data?.password_wanted ?? false;
  const lines = startLines(how, { pool, type, api: API_URL, locked });
  const commands = lines.filter((line) => !line.startsWith("#"));
  const last = commands.at(-1) ?? "";
  return (
    <div className="start-box">
      <div className="row">
        <h3 className="grow">Start a worker</h3>
        {ours && (
          <Segmented
            small
            label="How the worker is started"
            value={how}
            onChange={setHow}
            choices={[
              { value: "shell", text: "Shell" },
              { value: "systemd", text: "systemd" },
              { value: "stock", text: "prefect" },
            ]}
          />
        )}
      </div>
      <div className="cmdbig" data-testid="start-command">
        {lines.map((line, number) => (
          <span key={number} className={line.startsWith("#") ? "cmd-line q" : "cmd-line"}>
            {how !== "systemd" && !line.startsWith("#") && (
              <span className="q" aria-hidden>
                ${" "}
              </span>
            )}
            {line || "\u00a0"}
          </span>
        ))}
      </div>
      <div className="row">
        <Button
          small
          onClick={() => void copy(how === "systemd" ? lines.join("\n") : commands.join("\n"), "Commands")}
        >
          <Copy className="i s" /> {how === "systemd" ? "Copy the unit" : "Copy all"}
        </Button>
        {how !== "systemd" && (
          <Button small quiet onClick={() => void copy(last, "Command")}>
            <Copy className="i s" /> Last line
          </Button>
        )}
        <Listening pool={pool} />
      </div>
      {how === "systemd" && (
        <p className="note">
          Save it as /etc/systemd/system/heliostat-worker-{quoted(pool)}.service, then: systemctl enable --now
          heliostat-worker-{quoted(pool)}
        </p>
      )}
    </div>
  );
}

/** Listens until a worker is heard of. */
export function Listening({ pool }: { pool: string }) {
  const workers = useQuery(workersQuery(pool)).data ?? [];
  const online = workers.filter((worker) => worker.status === "ONLINE");
  const [newest] = online;
  return (
    <span className="note push row gap1" role="status">
      {newest ? (
        <>
          <StateGlyph type="COMPLETED" label={false} />
          {online.length === 1 ? (
            <span className="cut" title={newest.name}>
              {newest.name}, heard <Ago at={newest.last_heartbeat_time} />
            </span>
          ) : (
            `${counted(online.length, "worker")} online`
          )}
        </>
      ) : (
        <>
          <span className="live">
            <i />
          </span>
          listening for it
        </>
      )}
    </span>
  );
}
