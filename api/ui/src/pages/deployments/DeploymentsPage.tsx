import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import {
  type Deployment,
  deploymentsQuery,
  pauseDeployment,
  poolsQuery,
  recentQuery,
  resumeDeployment,
} from "@/data/deployments";
import { useNames } from "@/data/names";
import { useUrlStates } from "@/data/urlState";
import { act } from "@/parts/acting";
import { RunBars } from "@/parts/charts";
import { Segmented, Switch } from "@/parts/choosing";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { Tags, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Ago, Time } from "@/parts/Time";
import { counted } from "@/words/numbers";
import "./deployments.css";
import { PoolHealth } from "./PoolHealth";
import { pastRuns } from "./pastRuns";
import { scheduleWords } from "./scheduleWords";

const BARS = 20;
const text = (value: unknown) =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";

export default function DeploymentsPage() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [search, setSearch] = useUrlStates();
  const asked = {
    text: text(search["q"]),
    tag: text(search["tag"]),
    pool: text(search["pool"]),
    paused: text(search["paused"]),
    sort: text(search["sort"]) || "NAME_ASC",
  };
  const query = useInfiniteQuery(deploymentsQuery(asked));
  const rows = useMemo(() => query.data?.pages.flat() ?? [], [query.data]);
  const flows = useNames(
    "flows",
    rows.map((each) => each.flow_id),
  );
  const ids = useMemo(() => rows.slice(0, 200).map((each) => each.id), [rows]);
  const recent = useQuery(recentQuery({ deployment_ids: ids }, BARS)).data ?? {};
  const pools = useQuery(poolsQuery).data ?? [];
  const setPaused = async (deployment: Deployment, paused: boolean) => {
    const doing = (to: boolean) => (to ? pauseDeployment(deployment.id) : resumeDeployment(deployment.id));
    const refresh = () => queries.invalidateQueries({ queryKey: ["deployments"] });
    await act(paused ? "Not paused" : "Not resumed", () => doing(paused), {
      done: `${deployment.name} ${paused ? "is paused" : "runs again"}`,
      undo: () => void doing(!paused).then(refresh),
    });
    void refresh();
  };
  const columns: readonly Column<Deployment>[] = [
    {
      key: "name",
      head: "Deployment",
      width: "minmax(220px, 1.4fr)",
      sorts: { down: "NAME_DESC", up: "NAME_ASC" },
      cell: (each) => {
        const flow = flows.get(each.flow_id) ?? "";
        return (
          <span title={`${flow} / ${each.name}`}>
            <span className="q">{flow} / </span>
            <Link className="name" to={`/deployments/${each.id}`}>
              {each.name}
            </Link>
          </span>
        );
      },
    },
    {
      key: "bars",
      head: `Last ${BARS} runs`,
      width: "136px",
      narrow: "hide",
      cell: (each) => {
        const runs = pastRuns(recent[each.id]);
        const bad = runs.filter((run) => run.type === "FAILED" || run.type === "CRASHED").length;
        return (
          <RunBars
            runs={runs}
            places={BARS}
            label={`${counted(runs.length, "run")}, ${bad} not well ended`}
          />
        );
      },
    },
    {
      key: "next",
      head: "Next run",
      width: "172px",
      narrow: "below",
      cell: (each) => {
        const at = recent[each.id]?.next_at;
        return at ? (
          <span>
            <Time at={at} style="moment" />{" "}
            <span className="q">
              <Ago at={at} />
            </span>
          </span>
        ) : (
          <span className="q">{each.paused ? "paused" : "none"}</span>
        );
      },
    },
    {
      key: "when",
      head: "Schedules",
      width: "minmax(140px, 1fr)",
      narrow: "hide",
      cell: (each) => {
        const active = each.schedules.filter((one) => one.active).map((one) => scheduleWords(one.schedule));
        return active.length === 0 ? (
          <span className="q">none</span>
        ) : (
          <span title={active.join("\n")}>
            {active.length === 1 ? active[0] : counted(active.length, "schedule")}
          </span>
        );
      },
    },
    {
      key: "pool",
      head: "Work pool",
      width: "150px",
      narrow: "below",
      cell: (each) => <PoolHealth deployment={each} pools={pools} />,
    },
    { key: "tags", head: "Tags", width: "150px", narrow: "hide", cell: (each) => <Tags tags={each.tags} /> },
    {
      key: "on",
      head: "On",
      width: "56px",
      right: true,
      cell: (each) => (
        <Switch
          on={!each.paused}
          label={`Schedules of ${each.name}`}
          onChange={(on) => void setPaused(each, !on)}
        />
      ),
    },
  ];
  const isFiltered = Boolean(asked.text || asked.tag || asked.pool || asked.paused);
  return (
    <>
      <Title title="Deployments">
        <Segmented
          label="Which"
          value={asked.paused}
          choices={[
            { value: "", text: "All" },
            { value: "no", text: "On" },
            { value: "yes", text: "Paused" },
          ]}
          onChange={(paused) => setSearch({ paused: paused || undefined })}
        />
        <SearchField
          label="Search deployments"
          value={asked.text}
          onChange={(event) => setSearch({ q: event.target.value || undefined })}
        />
      </Title>
      {(asked.tag || asked.pool) && (
        <div className="row dep-filters">
          {asked.tag && (
            <Filtered name="tag" value={asked.tag} onClear={() => setSearch({ tag: undefined })} />
          )}
          {asked.pool && (
            <Filtered name="pool" value={asked.pool} onClear={() => setSearch({ pool: undefined })} />
          )}
        </div>
      )}
      <Loaded query={query} what="The list of deployments">
        {() =>
          rows.length === 0 ? (
            isFiltered ? (
              <Empty title="No deployment fits" text="Another word or fewer filters may find it." />
            ) : (
              <Empty
                title="No deployments yet"
                text="A deployment says where a flow's code lies, where it runs, and when."
                command="heliostat deploy flows.py:etl --name daily --cron '30 6 * * *'"
              />
            )
          ) : (
            <DataTable
              label="Deployments"
              rows={rows}
              columns={columns}
              rowKey={(each) => each.id}
              rowHeight={36}
              sort={asked.sort}
              onSort={(sort) => setSearch({ sort: sort === "NAME_ASC" ? undefined : sort })}
              onOpen={(each) => void navigate({ to: `/deployments/${each.id}` })}
              onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
            />
          )
        }
      </Loaded>
    </>
  );
}

function Filtered({ name, value, onClear }: { name: string; value: string; onClear: () => void }) {
  return (
    <button type="button" className="chip on" onClick={onClear} aria-label={`Leave out ${name} ${value}`}>
      {name}: {value} ×
    </button>
  );
}
