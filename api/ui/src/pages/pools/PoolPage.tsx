import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Ellipsis, ListPlus, Pause, Pencil, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import {
  changePool,
  deletePool,
  forgetWorker,
  lineQuery,
  type Pool,
  poolQuery,
  statusOf,
  type Worker,
  workersQuery,
} from "@/data/pools";
import { useUrlState } from "@/data/urlState";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Tabs } from "@/parts/choosing";
import { ConfirmDestroy, CopyAs, Menu } from "@/parts/overlays";
import { Pairs, Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateBadge, StateGlyph } from "@/parts/StateGlyph";
import { Ago } from "@/parts/Time";
import { Values } from "@/parts/Values";
import { counted } from "@/words/numbers";
import { quoted } from "./commands";
import { PoolRuns } from "./PoolRuns";
import { PoolSide } from "./PoolSide";
import { QueueDialog } from "./QueueDialog";
import { Queues } from "./Queues";
import { SlotLanes } from "./SlotLanes";
import { WaitingLine } from "./WaitingLine";
import { Workers } from "./Workers";
import "./pools.css";

const CRUMBS = [{ text: "Work pools", to: "/work-pools" }];

export default function PoolPage() {
  const { name = "" } = useParams({ strict: false });
  const query = useQuery(poolQuery(name));
  return (
    <Loaded query={query} what={`Work pool ${name}`}>
      {(pool) => <Shown pool={pool} />}
    </Loaded>
  );
}

function Shown({ pool }: { pool: Pool }) {
  const [tab] = useUrlState("tab", "now");
  const line = useQuery(lineQuery(pool.name));
  const workers = useQuery({ ...workersQuery(pool.name), enabled: pool.type !== "ray" }).data ?? [];
  const online = workers.filter((worker) => worker.status === "ONLINE").length;
  const taken = (line.data?.queues ?? []).reduce((sum, queue) => sum + queue.taken, 0);
  const waiting = (line.data?.queues ?? []).reduce((sum, queue) => sum + queue.waiting, 0);
  const about =
    pool.type === "ray"
      ? "ray, started by Heliostat"
      : `${pool.type}, ${workers.length === 0 ? "no worker yet" : `${online} of ${counted(workers.length, "worker")} online`}`;
  return (
    <>
      <Title crumbs={CRUMBS} title={pool.name} after={<StateBadge {...statusOf(pool)} />} sub={about}>
        <Actions
          pool={pool}
          waiting={waiting}
          queues={line.data?.queues.length ?? 0}
          workers={workers.length}
        />
      </Title>
      {pool.is_paused && <Paused pool={pool} waiting={waiting} />}
      {workers
        .filter((worker) => worker.status === "OFFLINE")
        .slice(0, 3)
        .map((worker) => (
          <Gone key={worker.id} pool={pool} worker={worker} />
        ))}
      <Tabs
        open={tab}
        tabs={[
          { value: "now", text: "Now" },
          { value: "runs", text: "Runs" },
          { value: "upcoming", text: "Upcoming" },
          { value: "details", text: "Details" },
        ]}
      />
      {tab === "runs" && <PoolRuns pool={pool.name} upcoming={false} />}
      {tab === "upcoming" && <PoolRuns pool={pool.name} upcoming />}
      {tab === "details" && <Details pool={pool} />}
      {!["runs", "upcoming", "details"].includes(tab) && (
        <div className="cols wp-cols grow0">
          <div>
            <SlotLanes pool={pool.name} taken={taken} limit={pool.concurrency_limit} />
            <Loaded query={line} what="The queues" rows={4}>
              {(found) => (
                <>
                  <Queues pool={pool.name} defaultId={pool.default_queue_id} line={found} />
                  <WaitingLine pool={pool.name} line={found} />
                </>
              )}
            </Loaded>
            {pool.type !== "ray" && <Workers pool={pool.name} />}
          </div>
          <PoolSide pool={pool} taken={taken} />
        </div>
      )}
    </>
  );
}

type ActionsProps = { pool: Pool; waiting: number; queues: number; workers: number };

function Actions({ pool, waiting, queues, workers }: ActionsProps) {
  const [adding, setAdding] = useState(false);
  const [doomed, setDoomed] = useState(false);
  const [act, busy] = useAct();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const set = (is_paused: boolean) =>
    changePool(pool.name, { is_paused }).finally(
      () => void queries.invalidateQueries({ queryKey: ["work_pool", pool.name] }),
    );
  const pause = () =>
    void act(pool.is_paused ? "Not resumed" : "Not paused", () => set(!pool.is_paused), {
      done: `${pool.name} is ${pool.is_paused ? "resumed" : "paused"}`,
      undo: () => void set(pool.is_paused),
    });
  return (
    <>
      <Button disabled={busy} onClick={pause}>
        {pool.is_paused ? <Play className="i" /> : <Pause className="i" />}{" "}
        {pool.is_paused ? "Resume" : "Pause"}
      </Button>
      <Button onClick={() => setAdding(true)}>
        <ListPlus className="i" /> Add a queue
      </Button>
      <CopyAs
        commands={{
          cli: `heliostat work-pool inspect ${quoted(pool.name)}`,
          api: { method: "GET", path: `/work_pools/${encodeURIComponent(pool.name)}` },
        }}
        json={pool}
      />
      <Menu
        label="More"
        button={
          <button type="button" className="btn icon" aria-label="More" title="More">
            <Ellipsis className="i" />
          </button>
        }
        items={[
          {
            text: "Edit",
            icon: <Pencil className="i s" />,
            act: () => void navigate({ to: `/work-pools/${encodeURIComponent(pool.name)}/edit` }),
          },
          {
            text: "Delete",
            icon: <Trash2 className="i s" />,
            danger: true,
            act: () => setDoomed(true),
          },
        ]}
      />
      {adding && <QueueDialog pool={pool.name} queue={null} onClose={() => setAdding(false)} />}
      <ConfirmDestroy
        open={doomed}
        title={`Delete work pool ${pool.name}?`}
        losses={[
          `${counted(queues, "queue")} and what is known of ${counted(workers, "worker")} are lost.`,
          "Its deployments stay, without a pool: their runs wait until they are given another one.",
          `${counted(waiting, "waiting run")} ${waiting === 1 ? "moves" : "move"} to the next pool of their deployment, or wait.`,
          "Runs that have begun, their logs and results stay.",
        ]}
        verb={`Delete pool ${pool.name}`}
        typed={pool.name}
        command={`heliostat work-pool delete ${quoted(pool.name)} --dry-run`}
        onClose={() => setDoomed(false)}
        act={async () => {
          // The page is left first: nothing on it can be read once the pool is gone.
          await navigate({ to: "/work-pools" });
          queries.removeQueries({ queryKey: ["work_pool", pool.name] });
          await act("Not deleted", () => deletePool(pool.name), {
            done: `Work pool ${pool.name} is deleted`,
          });
          await queries.invalidateQueries({ queryKey: ["work_pools"] });
        }}
      />
    </>
  );
}

function Paused({ pool, waiting }: { pool: Pool; waiting: number }) {
  return (
    <div className="strip k-paused t-l">
      <StateGlyph type="PAUSED" label={false} />
      <span className="grow cut">
        <b className="b">{pool.name} is paused</b>{" "}
        <span className="m">
          {waiting > 0
            ? `${counted(waiting, "run waits", "runs wait")}; what runs goes on.`
            : "No run begins here."}
        </span>
      </span>
    </div>
  );
}

function Gone({ pool, worker }: { pool: Pool; worker: Worker }) {
  const [act, busy] = useAct();
  const queries = useQueryClient();
  return (
    <div className="strip k-crashed t-l">
      <StateGlyph type="CRASHED" label={false} />
      <span className="grow cut">
        <b className="b">
          Worker {worker.name} was heard of <Ago at={worker.last_heartbeat_time} />
        </b>{" "}
        <span className="m">It gives a sign every {worker.heartbeat_interval_seconds} s while it lives.</span>
      </span>
      <Button
        small
        disabled={busy}
        onClick={() =>
          void act(
            "Not forgotten",
            () =>
              forgetWorker(pool.name, worker.name).finally(
                () => void queries.invalidateQueries({ queryKey: ["work_pool", pool.name] }),
              ),
            { done: `${worker.name} is forgotten` },
          )
        }
      >
        Forget it
      </Button>
    </div>
  );
}

function Details({ pool }: { pool: Pool }) {
  return (
    <>
      <div className="formpad">
        <Pairs
          rows={[
            ["Id", <code key="id">{pool.id}</code>],
            ["Default queue", <code key="queue">{pool.default_queue_id}</code>],
            ["Type", pool.type],
          ]}
        />
      </div>
      <Values value={pool} label={`Work pool ${pool.name}`} />
    </>
  );
}
