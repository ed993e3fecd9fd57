import { useEffect, useMemo, useState } from "react";
import { type LogLine, useLogWindow } from "@/data/logs";
import type { TaskRunDetails } from "@/data/oneRun";
import { usePreferences } from "@/data/preferences";
import { useTopic } from "@/data/useLive";
import { useUrlState, useUrlStates } from "@/data/urlState";
import { Segmented } from "@/parts/choosing";
import { LineActions } from "@/parts/logs/LineActions";
import { LEVEL_MIN, LogBar, type LogLevel } from "@/parts/logs/LogBar";
import { LogView } from "@/parts/logs/LogView";
import { saveLines } from "@/parts/logs/saving";
import { marksOf, plain } from "@/parts/logs/text";
import { Failure, Skeleton } from "@/parts/places";
import { isFinal } from "@/words/states";
import type { Try } from "./tries";

const WATCH_MS = 10_000;
const LINE_PX = 20;

/** The lines of all tries, each with the number of its try. */
export function TaskLogs({ task, tries }: { task: TaskRunDetails; tries: readonly Try[] }) {
  const [search, setSearch] = useUrlStates();
  const [only, setOnly] = useUrlState("try", "all");
  const { wrapLogs } = usePreferences();
  const going = !isFinal(task.state_type);
  const text = String(search["lq"] ?? "");
  const level = String(search["level"] ?? "all") as LogLevel;
  const [following, setFollowing] = useState(going);
  const reading = useLogWindow({ taskRunId: task.id, levelMin: LEVEL_MIN[level] ?? 0, from: "start" });
  const { newer } = reading;
  useTopic(going && task.flow_run_id ? `logs:${task.flow_run_id}` : null, newer);
  useEffect(() => {
    newer();
    if (!going) return;
    const timer = setInterval(newer, WATCH_MS);
    return () => clearInterval(timer);
  }, [going, newer]);
  const marks = useMemo(() => marksOf(text), [text]);
  const lines = useMemo(
    () =>
      reading.lines.filter(
        (line) =>
          (only === "all" || String(tryAt(line.at, tries)) === only) &&
          (!marks || new RegExp(marks.source, "i").test(plain(line.text.slice(0, 4_000)))),
      ),
    [reading.lines, only, tries, marks],
  );
  const who = useMemo(
    () => (line: LogLine) => (tries.length > 1 ? `try ${tryAt(line.at, tries)}` : ""),
    [tries],
  );
  const height = Math.min(520, Math.max(80, 20 + lines.length * LINE_PX * 1.1));
  return (
    <>
      <LogBar
        search={text}
        onSearch={(words) => setSearch({ lq: words || undefined })}
        level={level}
        onLevel={(next) => setSearch({ level: next === "all" ? undefined : next })}
        following={following}
        onFollow={going ? setFollowing : undefined}
        download={() => saveLines(reading.lines, task.name)}
      >
        {tries.length > 1 && (
          <Segmented
            small
            label="Lines of one try"
            value={only}
            onChange={setOnly}
            choices={[
              { value: "all", text: "All tries" },
              ...tries.slice(-6).map((each) => ({
                value: String(each.number),
                text: String(each.number),
                label: `Lines of try ${each.number}`,
              })),
            ]}
          />
        )}
      </LogBar>
      {reading.error && lines.length === 0 ? (
        <Failure what="The log" error={reading.error} retry={reading.again} />
      ) : reading.isPending ? (
        <Skeleton rows={3} />
      ) : lines.length === 0 ? (
        <p className="note tr-part">
          {text || level !== "all" || only !== "all" ? "No line fits." : "It wrote no lines."}
        </p>
      ) : (
        <LogView
          label={`Log of ${task.name}`}
          lines={lines}
          who={who}
          wrap={wrapLogs}
          marks={marks}
          open={typeof search["line"] === "string" ? search["line"] : undefined}
          onOpen={(id) => setSearch({ line: id || undefined })}
          inside={(line) => <LineActions line={line} />}
          following={following}
          onFollow={going ? setFollowing : undefined}
          onEnd={reading.atEnd ? undefined : newer}
          height={height}
        />
      )}
    </>
  );
}

/** The try during which a line was written. */
function tryAt(at: string, tries: readonly Try[]): number {
  const moment = Date.parse(at);
  const found = tries.findLast((each) => Date.parse(each.start) <= moment);
  return found?.number ?? 1;
}
