/** The log of a run and its task runs; it follows while the run goes on. */

import { Link } from "@tanstack/react-router";
import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useMemo, useState } from "react";
import { API_URL } from "@/data/base";
import { type LogLine, useLogWindow } from "@/data/logs";
import type { RunDetails } from "@/data/oneRun";
import { usePreferences } from "@/data/preferences";
import { useTaskName } from "@/data/taskNames";
import { useTopic } from "@/data/useLive";
import { useUrlStates } from "@/data/urlState";
import { Button } from "@/parts/Button";
import { Hidden, LineActions } from "@/parts/logs/LineActions";
import { LEVEL_MIN, LogBar, type LogLevel } from "@/parts/logs/LogBar";
import { LogView } from "@/parts/logs/LogView";
import { alikeOf, marksOf, plain } from "@/parts/logs/text";
import { Empty, Failure, Skeleton } from "@/parts/places";
import { isFinal } from "@/words/states";

const WATCH_MS = 10_000; // news come by the stream: this is for what it misses

export function LogsTab({ run }: { run: RunDetails }) {
  const [search, setSearch] = useUrlStates();
  const { wrapLogs } = usePreferences();
  const going = !isFinal(run.state_type);
  const asked = String(search["lq"] ?? "");
  const [text] = useDebouncedValue(asked.trim(), 250);
  const level = String(search["level"] ?? "all") as LogLevel;
  const task = typeof search["task"] === "string" ? search["task"] : undefined;
  const open = typeof search["line"] === "string" ? search["line"] : undefined;
  // Where reading begins is settled once: a run that ends meanwhile does not begin anew.
  const [from] = useState<"start" | "end" | { at: string }>(() =>
    typeof search["at"] === "string" ? { at: search["at"] } : going ? "end" : "start",
  );
  const [following, setFollowing] = useState(going && from === "end");
  const [hidden, setHidden] = useState<readonly string[]>([]);
  const isPattern = /^\/.+\/$/.test(text);
  const reading = useLogWindow({
    flowRunId: run.id,
    taskRunId: task,
    levelMin: LEVEL_MIN[level] ?? 0,
    text: isPattern ? undefined : text || undefined,
    from,
  });
  const { newer } = reading;
  useTopic(`logs:${run.id}`, newer);
  useEffect(() => {
    newer(); // once more when it has ended: its last lines
    if (!going) return;
    const timer = setInterval(newer, WATCH_MS);
    return () => clearInterval(timer);
  }, [going, newer]);
  const marks = useMemo(() => marksOf(text), [text]);
  const lines = useMemo(() => {
    const kinds = new Set(hidden);
    if (kinds.size === 0 && !isPattern) return reading.lines;
    return reading.lines.filter(
      (line) =>
        !kinds.has(alikeOf(line.text)) &&
        (!isPattern || !marks || new RegExp(marks.source, "i").test(plain(line.text.slice(0, 4_000)))),
    );
  }, [reading.lines, hidden, isPattern, marks]);

  return (
    <>
      <LogBar
        search={asked}
        onSearch={(words) => setSearch({ lq: words || undefined })}
        level={level}
        onLevel={(next) => setSearch({ level: next === "all" ? undefined : next })}
        following={following}
        onFollow={going || following ? setFollowing : undefined}
        download={`${API_URL}/flow_runs/${run.id}/logs/download`}
      >
        {task && (
          <Button
            small
            pressed
            onClick={() => setSearch({ task: undefined })}
            label="Show the lines of all tasks"
          >
            <TaskName id={task} /> ×
          </Button>
        )}
      </LogBar>
      <Hidden kinds={hidden} onShow={(kind) => setHidden(hidden.filter((each) => each !== kind))} />
      {reading.error && lines.length === 0 ? (
        <Failure what="The log" error={reading.error} retry={reading.again} />
      ) : reading.isPending ? (
        <Skeleton rows={6} />
      ) : lines.length === 0 ? (
        <NoLines going={going} filtered={Boolean(text) || level !== "all" || hidden.length > 0} />
      ) : (
        <LogView
          label={`Log of ${run.name}`}
          lines={lines}
          who={whoOf}
          wrap={wrapLogs}
          marks={marks}
          open={open}
          onOpen={(id) => {
            const line = lines.find((each) => each.id === id);
            setSearch({ line: id || undefined, at: line?.at });
          }}
          inside={(line) => (
            <LineActions line={line} onHide={(kind) => setHidden([...hidden, kind])}>
              {line.taskRunId && (
                <>
                  <Link to={`/task-runs/${line.taskRunId}`} className="link">
                    Open the task run
                  </Link>
                  {!task && (
                    <Button small quiet onClick={() => setSearch({ task: line.taskRunId ?? undefined })}>
                      Only this task
                    </Button>
                  )}
                </>
              )}
            </LineActions>
          )}
          following={following}
          onFollow={going ? setFollowing : undefined}
          onStart={reading.atStart ? undefined : reading.older}
          onEnd={reading.atEnd ? undefined : newer}
        />
      )}
    </>
  );
}

const whoOf = (line: LogLine) => <TaskName id={line.taskRunId} link />;

export function TaskName({ id, link = false }: { id: string | null; link?: boolean }) {
  const name = useTaskName(id);
  if (!id) return null;
  if (!link) return <>{name ?? "task"}</>;
  return (
    <Link to={`/task-runs/${id}`} title={name}>
      {name ?? "…"}
    </Link>
  );
}

function NoLines({ going, filtered }: { going: boolean; filtered: boolean }) {
  if (filtered) return <Empty title="No line fits" text="Other words or all levels show more of the log." />;
  return (
    <Empty
      title="No lines yet"
      text={
        going
          ? "What the run prints and logs shows here as it is written."
          : "This run wrote nothing to its log."
      }
    />
  );
}
