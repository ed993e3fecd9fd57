import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { completionsOf, parametersOf, RUN_FIELDS, termsOf } from "@/data/runQuery";
import { type RunAsk, type RunKind, summaryQuery, totalQuery, useRunList } from "@/data/runList";
import { useUrlStates } from "@/data/urlState";
import { Button, ButtonLink } from "@/parts/Button";
import { Segmented, Switch } from "@/parts/choosing";
import { DataTable } from "@/parts/DataTable";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Histogram, type Series } from "@/parts/query/Histogram";
import { QueryLine } from "@/parts/query/QueryLine";
import { TimeMenu } from "@/parts/query/TimeMenu";
import { Views } from "@/parts/query/Views";
import { counted, short } from "@/words/numbers";
import { spanText, type Token, toggled, tokens, valuesOf, withToken } from "@/words/query";
import { KIND_ORDER } from "@/words/states";
import { FLOW_COLUMNS, TASK_COLUMNS } from "./runColumns";
import { ColumnsMenu, useColumns } from "./ColumnsMenu";
import { countsByWord, StateCounts } from "./StateCounts";
import { Leaving } from "./Leaving";
import { BulkBar } from "./BulkBar";
import { Jobs, JobsButton } from "./Jobs";
import "./runs.css";

const VIEWS = [
  { name: "All", q: "" },
  { name: "Needs you", q: "state:failed,crashed,late,paused started:last 24h" },
  { name: "Failed today", q: "state:failed,crashed started:today" },
  { name: "Running", q: "state:running,cancelling,pending" },
  { name: "Waiting", q: "state:waiting,late" },
];
const TASK_VIEWS = [
  { name: "Last 24 h", q: "started:last 24h" },
  { name: "Failed today", q: "state:failed,crashed started:today" },
  { name: "Running", q: "state:running" },
  { name: "Tried again", q: "tries:>1 started:last 24h" },
];
const SERIES: readonly Series[] = KIND_ORDER.map((kind) => ({
  key: kind === "late" ? "LATE" : kind.toUpperCase(),
  className: kind === "pending" || kind === "scheduled" ? "f-scheduled" : `f-${kind}`,
  word: kind,
}));

async function complete(token: Token | null, signal?: AbortSignal): Promise<string[]> {
  const value = token?.value ?? "";
  if (token && !token.field && value.startsWith("param.")) return parametersOf(value.slice(6), signal);
  return completionsOf(token, signal);
}

const aboutField = (completion: string) =>
  RUN_FIELDS.find(([name]) => completion === `${name}:` || completion === name)?.[1];

export default function RunsPage() {
  const [words, setWords] = useUrlStates();
  const kind: RunKind = words["kind"] === "task" ? "task" : "flow";
  const q = words["q"] === undefined ? (kind === "task" ? (TASK_VIEWS[0]?.q ?? "") : "") : String(words["q"]);
  const sort = String(words["sort"] ?? "STARTED_DESC");
  const hideSubflows = words["subflows"] !== "shown";
  const ask = useMemo<RunAsk>(() => ({ kind, q, sort, hideSubflows }), [kind, q, sort, hideSubflows]);
  const [chosen, setChosen] = useState<{ for: string; ids: Set<string> }>({ for: "", ids: new Set() });
  const scope = `${kind} ${q} ${hideSubflows}`;
  const ids = useMemo(() => (chosen.for === scope ? chosen.ids : new Set<string>()), [chosen, scope]);
  const choose = useCallback((next: Set<string>) => setChosen({ for: scope, ids: next }), [scope]);
  const setQ = useCallback(
    (text: string) => setWords({ q: text === "" && kind === "flow" ? undefined : text }),
    [kind, setWords],
  );
  const summary = useQuery(summaryQuery(ask));
  const problems = useMemo(() => termsOf(q, new Date()).problems, [q]);
  const columns = useColumns(kind, kind === "flow" ? FLOW_COLUMNS : TASK_COLUMNS);
  const found = summary.data;
  const things = kind === "flow" ? "run" : "task run";
  return (
    <>
      <Title
        title="Runs"
        after={
          <Kinds
            kind={kind}
            onChange={(next) =>
              setWords({ kind: next === "flow" ? undefined : next, q: undefined, sort: undefined })
            }
          />
        }
      >
        {kind === "flow" && <JobsButton />}
        <ColumnsMenu columns={columns} />
        <Leaving ask={ask} />
        <ButtonLink sun to="/deployments">
          <Play className="i" /> Run a deployment
        </ButtonLink>
      </Title>
      <Views
        about={`${kind}_run`}
        what="runs"
        q={q}
        fixed={kind === "flow" ? VIEWS : TASK_VIEWS}
        onChoose={setQ}
      />
      <div className="query-row">
        <QueryLine
          key={kind}
          label="Filter runs"
          placeholder="state:failed  flow:orders-*  param.region:eu  tasks:>1000"
          value={q}
          onChange={setQ}
          problems={problems}
          complete={complete}
          about={aboutField}
          told={found && `${counted(found.total, things)} in ${Math.max(1, Math.round(found.ms))} ms`}
        />
        <TimeMenu
          value={tokens(q).find((token) => token.field === "started")?.value ?? ""}
          onChange={(value) => setQ(withToken(q, "started", value))}
        />
      </div>
      {problems.length > 0 && (
        <div className="query-bad t-failed" role="alert">
          {problems.map((each) => each.text).join("; ")}
        </div>
      )}
      {found?.since && found.until && found.bins.length > 0 ? (
        <div className="hist-box">
          <Histogram
            label={`${counted(found.total, things)} by the time they started`}
            since={found.since}
            until={found.until}
            stepSeconds={found.step_s}
            bins={found.bins}
            series={SERIES}
            onBrush={(after, before) => setQ(withToken(q, "started", spanText(after, before)))}
          />
        </div>
      ) : (
        <div className="hist-box empty" />
      )}
      <div className="states-row scroll-x">
        <StateCounts
          counts={countsByWord(found?.states ?? [])}
          chosen={valuesOf(q, "state")}
          onToggle={(word) => setQ(toggled(q, "state", word))}
        />
        {kind === "flow" && (
          <span className="push">
            <Switch
              label="Hide sub-flows"
              on={hideSubflows}
              onChange={(on) => setWords({ subflows: on ? undefined : "shown" })}
            />
            Sub-flows hidden
          </span>
        )}
      </div>
      <Jobs />
      <List
        ask={ask}
        columns={columns.shown}
        ids={ids}
        choose={choose}
        onSort={(next) => setWords({ sort: next === "STARTED_DESC" ? undefined : next })}
        total={found?.total ?? 0}
      />
    </>
  );
}

function Kinds({ kind, onChange }: { kind: RunKind; onChange: (kind: RunKind) => void }) {
  const flows = useQuery(totalQuery("flow")).data;
  const tasks = useQuery(totalQuery("task")).data;
  const text = (word: string, count: number | undefined) => (
    <>
      {word} <span className="q">{count === undefined ? "" : short(count)}</span>
    </>
  );
  return (
    <Segmented
      label="Kind of runs"
      value={kind}
      onChange={onChange}
      choices={[
        { value: "flow", text: text("Flow runs", flows) },
        { value: "task", text: text("Task runs", tasks) },
      ]}
    />
  );
}

function List({
  ask,
  columns,
  ids,
  choose,
  onSort,
  total,
}: {
  ask: RunAsk;
  columns: typeof FLOW_COLUMNS;
  ids: ReadonlySet<string>;
  choose: (ids: Set<string>) => void;
  onSort: (sort: string) => void;
  total: number;
}) {
  const navigate = useNavigate();
  const [isAtTop, setAtTop] = useState(true);
  const { query, rows, fresh, showFresh } = useRunList(ask, isAtTop);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const onEnd = useCallback(
    () => void (hasNextPage && !isFetchingNextPage && fetchNextPage()),
    [hasNextPage, isFetchingNextPage, fetchNextPage],
  );
  const place = ask.kind === "flow" ? "/runs/" : "/task-runs/";
  return (
    <div
      className="list-box"
      onScrollCapture={(event) => {
        const top = (event.target as HTMLElement).scrollTop < 8;
        if (top !== isAtTop) setAtTop(top);
      }}
    >
      <Loaded query={query} what="The list of runs" rows={12}>
        {() =>
          rows.length === 0 ? (
            <Nothing ask={ask} />
          ) : (
            <DataTable
              label={ask.kind === "flow" ? "Flow runs" : "Task runs"}
              rows={rows}
              columns={columns}
              rowKey={(run) => run.id}
              onOpen={(run) => void navigate({ to: `${place}${run.id}` })}
              chosen={ask.kind === "flow" ? ids : undefined}
              onChoose={ask.kind === "flow" ? choose : undefined}
              sort={ask.sort}
              onSort={onSort}
              onEnd={onEnd}
            />
          )
        }
      </Loaded>
      {fresh > 0 && (
        <span className="fresh-rows">
          <Button
            small
            onClick={(event) => {
              showFresh();
              event.currentTarget.closest(".list-box")?.querySelector(".vt")?.scrollTo({ top: 0 });
            }}
          >
            {fresh} new
          </Button>
        </span>
      )}
      {ask.kind === "flow" && ids.size > 0 && (
        <BulkBar ask={ask} ids={ids} total={total} onClose={() => choose(new Set())} />
      )}
    </div>
  );
}

function Nothing({ ask }: { ask: RunAsk }) {
  if (ask.q || ask.hideSubflows === false)
    return (
      <Empty
        title="No run fits this filter"
        text="Take a word out of the filter, or look at a longer time."
      />
    );
  return (
    <Empty
      title="There are no runs yet"
      text="A run appears here as soon as a flow starts, wherever it runs."
      command="heliostat demo"
    />
  );
}
