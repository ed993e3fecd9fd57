import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Pause, Play, Plus } from "lucide-react";
import { useMemo } from "react";
import { changePool, type PoolView, poolsQuery, statusOf } from "@/data/pools";
import { useUrlState } from "@/data/urlState";
import { useAct } from "@/parts/acting";
import { Button, ButtonLink } from "@/parts/Button";
import { Cells } from "@/parts/Cells";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { StateBadge } from "@/parts/StateGlyph";
import { Ago } from "@/parts/Time";
import { count, counted } from "@/words/numbers";
import "./pools.css";

const slotsLabel = (pool: PoolView) =>
  pool.concurrency_limit === null
    ? `${counted(pool.taken, "run")} under way, no limit`
    : `${pool.taken} of ${pool.concurrency_limit} slots taken`;

function columns(pause: (pool: PoolView) => void): Column<PoolView>[] {
  return [
    {
      key: "name",
      head: "Pool",
      width: "minmax(150px, 1fr)",
      cell: (pool) => (
        <span className="name" title={pool.description ?? pool.name}>
          {pool.name}
        </span>
      ),
    },
    {
      key: "state",
      head: "State",
      width: "108px",
      cell: (pool) => <StateBadge {...statusOf(pool)} />,
    },
    {
      key: "type",
      head: "Type",
      width: "88px",
      narrow: "below",
      cell: (pool) => <span className="m">{pool.type}</span>,
    },
    {
      key: "slots",
      head: "Slots",
      width: "minmax(90px, 150px)",
      narrow: "hide",
      cell: (pool) => <Cells taken={pool.taken} total={pool.concurrency_limit} label={slotsLabel(pool)} />,
    },
    {
      key: "taken",
      head: "Busy",
      width: "84px",
      right: true,
      narrow: "below",
      cell: (pool) => (
        <>
          {pool.taken}{" "}
          <span className="q">{pool.concurrency_limit === null ? "" : `of ${pool.concurrency_limit}`}</span>
        </>
      ),
    },
    {
      key: "waiting",
      head: "Waiting",
      width: "96px",
      right: true,
      narrow: "below",
      cell: (pool) =>
        pool.late > 0 ? (
          <span className="t-late" title={`${pool.late} of ${pool.waiting} are late`}>
            {counted(pool.late, "late", "late")}
          </span>
        ) : (
          <span className={pool.waiting ? "" : "q"}>
            {count(pool.waiting)} <span className="narrow-word">waiting</span>
          </span>
        ),
    },
    {
      key: "queues",
      head: "Queues",
      width: "70px",
      right: true,
      narrow: "hide",
      cell: (pool) => pool.queues,
    },
    {
      key: "workers",
      head: "Workers",
      width: "120px",
      right: true,
      narrow: "hide",
      cell: (pool) =>
        pool.type === "ray" ? (
          <span className="q">not needed</span>
        ) : pool.workers === 0 ? (
          <span className="q">none</span>
        ) : (
          `${pool.workers_online} of ${pool.workers} online`
        ),
    },
    {
      key: "heard",
      head: "Heard",
      width: "90px",
      right: true,
      narrow: "hide",
      cell: (pool) =>
        pool.last_heartbeat ? <Ago at={pool.last_heartbeat} /> : <span className="q">never</span>,
    },
    {
      key: "deployments",
      head: "Deployments",
      width: "98px",
      right: true,
      narrow: "hide",
      cell: (pool) => count(pool.deployments),
    },
    {
      key: "pause",
      head: <span className="sr">Pause</span>,
      width: "50px",
      right: true,
      narrow: "hide",
      cell: (pool) => (
        <Button
          quiet
          small
          icon
          label={pool.is_paused ? `Resume ${pool.name}` : `Pause ${pool.name}`}
          onClick={() => pause(pool)}
        >
          {pool.is_paused ? <Play className="i s" /> : <Pause className="i s" />}
        </Button>
      ),
    },
  ];
}

export default function PoolsPage() {
  const query = useQuery(poolsQuery);
  const navigate = useNavigate();
  const [text, setText] = useUrlState("q");
  const [act] = useAct();
  const { refetch } = query;
  const shape = useMemo(
    () =>
      columns((pool) => {
        const set = (is_paused: boolean) =>
          changePool(pool.name, { is_paused }).finally(() => void refetch());
        void act(pool.is_paused ? "Not resumed" : "Not paused", () => set(!pool.is_paused), {
          done: `${pool.name} is ${pool.is_paused ? "resumed" : "paused"}`,
          undo: () => void set(pool.is_paused),
        });
      }),
    [act, refetch],
  );
  const fits = (pool: PoolView) => `${pool.name} ${pool.type}`.toLowerCase().includes(text.toLowerCase());
  return (
    <>
      <Title title="Work pools" sub="where runs of deployments are executed">
        <CopyAs
          commands={{
            cli: "heliostat work-pool ls",
            api: { method: "POST", path: "/work_pools/filter", body: {} },
          }}
          json={query.data}
        />
        <ButtonLink sun to="/work-pools/new">
          <Plus className="i" /> New work pool
        </ButtonLink>
      </Title>
      <div className="gbar bt">
        <SearchField
          label="Part of a name or type"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <Loaded query={query} what="The list of work pools">
        {(pools) =>
          pools.filter(fits).length === 0 ? (
            <Empty
              title={text ? "No work pool has this in its name or type" : "No work pools yet"}
              text="A pool keeps runs until somebody executes them: Heliostat itself on Ray, or workers on machines of your own."
              command="heliostat work-pool create edge-hosts --type process"
            />
          ) : (
            <DataTable
              label="Work pools"
              rows={pools.filter(fits)}
              columns={shape}
              rowKey={(pool) => pool.id}
              onOpen={(pool) => void navigate({ to: `/work-pools/${encodeURIComponent(pool.name)}` })}
            />
          )
        }
      </Loaded>
    </>
  );
}
