import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowUpToLine, Download, WrapText } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import {
  type FoundLine,
  LOG_FIELDS,
  type LogAsk,
  logBodyOf,
  logCompletionsOf,
  logQueryOf,
  logSummaryQuery,
  useLogSearch,
  wholeSearch,
} from "@/data/logSearch";
import { setPreferences, usePreferences } from "@/data/preferences";
import { useUrlStates } from "@/data/urlState";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { LogView } from "@/parts/logs/LogView";
import { marksOf } from "@/parts/logs/text";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Histogram, type Series } from "@/parts/query/Histogram";
import { QueryLine } from "@/parts/query/QueryLine";
import { TimeMenu } from "@/parts/query/TimeMenu";
import { Views } from "@/parts/query/Views";
import { counted, figure } from "@/words/numbers";
import { spanText, toggled, tokens, valuesOf, withToken, written } from "@/words/query";
import { templateOf } from "@/words/alike";
import { Facets } from "./Facets";
import { LineInside } from "./LineInside";
import "./logs.css";

const SERIES: readonly Series[] = ["error", "warning", "info", "debug"].map((key) => ({
  key,
  className: `f-${key}`,
  word: key,
}));
const VIEWS = [
  { name: "All", q: "" },
  { name: "Errors", q: "level:error" },
  { name: "Warnings of the last hour", q: "level:>=warning time:last 1h" },
];
const FIRST = "";

const aboutField = (completion: string) => LOG_FIELDS.find(([name]) => completion === `${name}:`)?.[1];

export default function LogsPage() {
  const [words, setWords] = useUrlStates();
  const q = words["q"] === undefined ? FIRST : String(words["q"]);
  const order = words["order"] === "oldest" ? "oldest" : "newest";
  const isTailed = order === "newest" && words["follow"] === "on";
  const ask = useMemo<LogAsk>(() => ({ q, order }), [q, order]);
  const setQ = useCallback((text: string) => setWords({ q: text || undefined, line: undefined }), [setWords]);
  const summary = useQuery(logSummaryQuery(q, isTailed)).data;
  const problems = useMemo(() => logQueryOf(q, new Date()).problems, [q]);
  const levels = useMemo(
    () => (logQueryOf(q, new Date()).query["levels"] as string[] | undefined) ?? [],
    [q],
  );
  const timeField = tokens(q).find((token) => ["time", "started", "last"].includes(token.field));
  const setTime = (value: string | null) =>
    setQ(withToken(withToken(withToken(q, "last", null), "started", null), "time", value));
  const toggle = (field: "level" | "flow" | "alike", value: string) => {
    if (field === "alike") {
      const has = tokens(q).some((token) => token.field === "alike" && token.value === value);
      setQ(has ? without(q, "alike", value) : `${q} ${written("alike", value)}`.trim());
    } else if (field === "level") {
      const next = levels.includes(value) ? levels.filter((each) => each !== value) : [...levels, value];
      setQ(withToken(q, "level", next.length > 0 ? next.join(",") : null));
    } else setQ(toggled(q, field, value));
  };
  const shownSeries = levels.length > 0 ? SERIES.filter((each) => levels.includes(each.key)) : SERIES;
  return (
    <>
      <Title title="Logs" sub="of all runs">
        <Leaving ask={ask} />
        <Button
          pressed={isTailed}
          onClick={() => setWords({ follow: isTailed ? undefined : "on", order: undefined })}
        >
          <ArrowUpToLine className="i" /> Follow
        </Button>
      </Title>
      <Views about="log" what="lines" q={q} fixed={VIEWS} onChoose={setQ} />
      <div className="query-row">
        <QueryLine
          label="Search log lines"
          placeholder="words  /regex/  level:>=warning  flow:  run:  task:  -without"
          value={q}
          onChange={setQ}
          problems={problems}
          complete={logCompletionsOf}
          about={aboutField}
          told={
            summary &&
            `${counted(summary.total, "line")}${summary.is_partial ? " of the newest 200,000" : ""} in ${Math.max(1, Math.round(summary.ms))} ms`
          }
        />
        <TimeMenu
          value={timeField ? (timeField.field === "last" ? `last ${timeField.value}` : timeField.value) : ""}
          onChange={setTime}
        />
      </div>
      {problems.length > 0 && (
        <div className="query-bad t-failed" role="alert">
          {problems.map((each) => each.text).join("; ")}
        </div>
      )}
      <div className="lg-cols">
        <Facets
          summary={summary}
          levels={levels}
          flows={valuesOf(q, "flow")}
          alike={tokens(q)
            .filter((token) => token.field === "alike")
            .map((token) => token.value)}
          onToggle={toggle}
        />
        <div className="lg-main">
          <div className="hist-box" style={{ minHeight: 66 }}>
            {summary?.since && summary.until && summary.bins.length > 0 && (
              <Histogram
                label={`${counted(summary.total, "line")} over time, by level`}
                since={summary.since}
                until={summary.until}
                stepSeconds={summary.step_s}
                bins={summary.bins}
                series={shownSeries}
                onBrush={(after, before) => setTime(spanText(after, before))}
              />
            )}
          </div>
          <Lines key={`${q} ${order}`} ask={ask} isTailed={isTailed} setQ={setQ} />
        </div>
      </div>
    </>
  );
}

function without(q: string, field: string, value: string): string {
  let rest = q;
  for (const token of tokens(q).reverse())
    if (token.field === field && token.value === value)
      rest = rest.slice(0, token.start) + rest.slice(token.end);
  return rest.replace(/\s+/g, " ").trim();
}

function Lines({ ask, isTailed, setQ }: { ask: LogAsk; isTailed: boolean; setQ: (q: string) => void }) {
  const [words, setWords] = useUrlStates();
  const { wrapLogs } = usePreferences();
  const [isAtTop, setAtTop] = useState(true);
  const { query, lines, fresh, take, isSearching } = useLogSearch(ask, isTailed);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const open = words["line"] === undefined ? undefined : String(words["line"]);
  const marks = useMemo(() => marksOfQuery(ask.q), [ask.q]);
  useEffect(() => {
    if (isAtTop && fresh.length > 0) take();
  }, [isAtTop, fresh, take]);
  const onEnd = useCallback(
    () => void (hasNextPage && !isFetchingNextPage && fetchNextPage()),
    [hasNextPage, isFetchingNextPage, fetchNextPage],
  );
  const hide = (line: FoundLine) => setQ(`${ask.q} ${written("hide", templateOf(line.text))}`.trim());
  return (
    <>
      <div className="lg-bar">
        <Segmented
          small
          label="Order"
          value={ask.order}
          onChange={(order) => setWords({ order: order === "newest" ? undefined : order, follow: undefined })}
          choices={[
            { value: "newest", text: "Newest first" },
            { value: "oldest", text: "Oldest first" },
          ]}
        />
        <span className="note" role="status">
          {isSearching ? "Searching further back…" : `${figure(lines.length)} shown`}
        </span>
        <span className="push">
          {hasNextPage && !isSearching && (
            <Button small disabled={isFetchingNextPage} onClick={onEnd}>
              Search further
            </Button>
          )}
          <Button small pressed={wrapLogs} onClick={() => setPreferences({ wrapLogs: !wrapLogs })}>
            <WrapText className="i s" /> Wrap
          </Button>
        </span>
      </div>
      <div
        className="list-box"
        onScrollCapture={(event) => {
          const top = (event.target as HTMLElement).scrollTop < 8;
          if (top !== isAtTop) setAtTop(top);
        }}
      >
        <Loaded query={query} what="The log lines" rows={14}>
          {() =>
            lines.length === 0 && !isSearching ? (
              <Empty
                title={ask.q ? "No line fits this search" : "There are no log lines yet"}
                text={
                  ask.q
                    ? "Look at a longer time, or take a word out of the search."
                    : "Lines appear here as runs write them."
                }
              />
            ) : (
              <LogView
                label="Log lines"
                lines={lines}
                wrap={wrapLogs}
                marks={marks}
                open={open}
                onOpen={(id) => setWords({ line: id || undefined })}
                who={(line) => <Who line={line as FoundLine} />}
                inside={(line) => (
                  <LineInside
                    line={line as FoundLine}
                    onOnly={(run) => setQ(withToken(ask.q, "run", run))}
                    onHide={() => hide(line as FoundLine)}
                  />
                )}
                onEnd={onEnd}
              />
            )
          }
        </Loaded>
        {!isAtTop && fresh.length > 0 && (
          <span className="lg-fresh">
            <Button
              small
              onClick={(event) => {
                take();
                event.currentTarget.closest(".list-box")?.querySelector(".log")?.scrollTo({ top: 0 });
              }}
            >
              {counted(fresh.length, "new line")}
            </Button>
          </span>
        )}
      </div>
    </>
  );
}

function Who({ line }: { line: FoundLine }) {
  if (!line.run) return <span className="q">{line.logger}</span>;
  return (
    <span title={`${line.run.flow_name} / ${line.run.name}${line.task ? ` / ${line.task}` : ""}`}>
      <Link to={`/runs/${line.flowRunId ?? ""}`}>
        <b className="b">{line.run.name}</b>
      </Link>{" "}
      {line.task}
    </span>
  );
}

/** What to mark in the lines: the expression, or the words that must be there. */
function marksOfQuery(q: string): RegExp | null {
  const bare = tokens(q).filter((token) => token.field === "" && !token.negated && token.value);
  if (bare.length === 0) return null;
  const [first] = bare;
  if (bare.length === 1 && first) return marksOf(first.value);
  const escaped = bare.map((token) => token.value.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  return marksOf(`/${escaped.join("|")}/`);
}

function Leaving({ ask }: { ask: LogAsk }) {
  const [run, isBusy] = useAct();
  const save = () =>
    void run("The file was not made", async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await wholeSearch(ask));
      link.download = "heliostat.log";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  const path = "/heliostat/logs/search";
  const body = logBodyOf(ask);
  return (
    <>
      <Button disabled={isBusy} onClick={save}>
        <Download className="i" /> {isBusy ? "Reading…" : "Download"}
      </Button>
      <CopyAs commands={{ api: { method: "POST", path, body } }} />
    </>
  );
}
