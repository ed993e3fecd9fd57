import type { TaskRunDetails } from "@/data/oneRun";
import { StateBadge } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { duration } from "@/words/numbers";
import { kindOf } from "@/words/states";
import { secondsBetween } from "@/words/times";
import type { Try } from "./tries";

const MOST = 12;

/** Tries side by side; what differs from the try before is marked. */
export function Tries({ tries, task }: { tries: readonly Try[]; task: TaskRunDetails }) {
  const shown = tries.slice(-MOST);
  const begin = Date.parse(shown[0]?.start ?? "");
  const last = shown[shown.length - 1];
  const end = Date.parse(last?.end ?? last?.start ?? "");
  return (
    <div className="tries bb1" tabIndex={0} role="group" aria-label="Tries">
      {shown.map((each, at) => (
        <OneTry
          key={each.number}
          of={each}
          before={shown[at - 1]}
          span={[begin, Math.max(end, begin + 1)]}
          place={at === shown.length - 1 ? task : null}
        />
      ))}
    </div>
  );
}

function OneTry({
  of,
  before,
  span,
  place,
}: {
  of: Try;
  before: Try | undefined;
  span: [number, number];
  /** Where it ran is kept of the last try alone. */
  place: TaskRunDetails | null;
}) {
  const seconds = of.end ? secondsBetween(of.start, of.end) : null;
  const rows: [string, string | null, boolean][] = [
    ["Node", place?.node ?? null, false],
    ["Worker", place?.pid ? `pid ${place.pid}` : null, false],
    ["Raised", of.raised, Boolean(before) && before?.raised !== of.raised],
    ["Then", of.then, Boolean(before) && before?.then !== of.then],
  ];
  return (
    <div className="try">
      <div className="row">
        <b className="bb">Try {of.number}</b>
        <StateBadge type={of.type} name={of.name} pill />
        <span className="push q sm">
          <Time at={of.start} style="time" />
        </span>
      </div>
      <div className="row gap3">
        <span className="b try-took">{seconds === null ? "running" : duration(seconds)}</span>
        <Line of={of} span={span} waited={before?.end ?? null} />
      </div>
      <dl className="kv">
        {rows
          .filter(([, value]) => value)
          .map(([name, value, differs]) => (
            <div key={name} className="kv-row">
              <dt>{name}</dt>
              <dd className={differs ? "diff" : undefined} title={value ?? undefined}>
                {value}
              </dd>
            </div>
          ))}
      </dl>
    </div>
  );
}

/** When the try ran within all of them; dotted is the wait before it. */
function Line({ of, span, waited }: { of: Try; span: [number, number]; waited: string | null }) {
  const [begin, end] = span;
  const at = (moment: string) => (100 * (Date.parse(moment) - begin)) / (end - begin);
  const from = at(of.start);
  const to = of.end ? at(of.end) : 100;
  return (
    <span className="grow try-line" aria-hidden>
      {waited && (
        <i className="wait" style={{ left: `${at(waited)}%`, width: `${Math.max(0, from - at(waited))}%` }} />
      )}
      <i
        className={`ran k-${kindOf(of.type, of.name)}`}
        style={{ left: `min(${from}%, calc(100% - 8px))`, width: `max(8px, ${to - from}%)` }}
      />
    </span>
  );
}
