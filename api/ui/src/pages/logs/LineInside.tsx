/** Below an opened line: the lines around it in its run, where it comes from, and what to do with it. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { aroundQuery, type FoundLine, wholeText } from "@/data/logSearch";
import { useClock } from "@/data/preferences";
import { act } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { LineActions } from "@/parts/logs/LineActions";
import { LineText } from "@/parts/logs/LineText";
import { levelOf } from "@/parts/logs/text";
import { bytes } from "@/words/numbers";
import { timeWithMillis, toDate } from "@/words/times";

const AROUND = 3;

export function LineInside({
  line,
  onOnly,
  onHide,
}: {
  line: FoundLine;
  onOnly: (run: string) => void;
  onHide: () => void;
}) {
  const clock = useClock();
  const [count, setCount] = useState(AROUND);
  const around = useQuery(aroundQuery(line.id, count));
  return (
    <>
      <div className="log lg-around">
        {around.data?.lines
          .filter((each) => each.id !== line.id)
          .map((each) => (
            <div key={each.id} className={`ln ${levelOf(each.level)}`}>
              <span className="t">{timeWithMillis(toDate(each.at), clock)}</span>
              <span className="lv">{levelOf(each.level)}</span>
              <span className="w cut">{each.task}</span>
              <div className="x">
                <LineText text={each.text.slice(0, 2_000)} />
              </div>
            </div>
          ))}
      </div>
      <LineActions line={line}>
        {line.run && (
          <Link
            to={`/runs/${line.flowRunId ?? ""}`}
            search={{ tab: "logs", at: line.at } as never}
            className="link"
          >
            Open the run
          </Link>
        )}
        {line.taskRunId && (
          <Link to={`/task-runs/${line.taskRunId}`} className="link">
            Open the task run
          </Link>
        )}
        {count < 30 && (
          <Button small quiet onClick={() => setCount(count * 4)}>
            More lines around
          </Button>
        )}
        {line.run && (
          <Button small quiet onClick={() => onOnly(line.flowRunId ?? "")}>
            Only this run
          </Button>
        )}
        <Button small quiet onClick={onHide}>
          Hide lines like this
        </Button>
        {line.characters > line.text.length && (
          <Button
            small
            quiet
            onClick={() =>
              void act("Not copied", async () => void (await copy(await wholeText(line.id), "Line")))
            }
          >
            Copy all {bytes(line.characters)}
          </Button>
        )}
      </LineActions>
    </>
  );
}
