/** What the lines found have in common, as boxes that narrow the search. */

import { LOG_LEVELS, type LogSummary } from "@/data/logSearch";
import { Box } from "@/parts/choosing";
import { figure } from "@/words/numbers";

type Props = {
  summary: LogSummary | undefined;
  levels: readonly string[];
  flows: readonly string[];
  alike: readonly string[];
  onToggle: (field: "level" | "flow" | "alike", value: string) => void;
};

export function Facets({ summary, levels, flows, alike, onToggle }: Props) {
  const byFlow = summary?.flows ?? [];
  const kinds = summary?.alike ?? [];
  const ownFlows = flows.filter((name) => !byFlow.some((each) => each.name === name));
  const ownKinds = alike.filter((kind) => !kinds.some((each) => each.template === kind));
  return (
    <aside className="lg-facets" aria-label="Narrow the search">
      <section>
        <h2>Level</h2>
        <div>
          {LOG_LEVELS.map((level) => (
            <Facet
              key={level}
              text={level}
              count={summary?.levels[level] ?? 0}
              on={levels.includes(level)}
              onChange={() => onToggle("level", level)}
            />
          ))}
        </div>
      </section>
      {byFlow.length + ownFlows.length > 0 && (
        <section>
          <h2>Flow</h2>
          <div>
            {[...ownFlows.map((name) => ({ id: name, name, count: null })), ...byFlow].map((each) => (
              <Facet
                key={each.id}
                text={each.name}
                count={each.count}
                on={flows.includes(each.name)}
                onChange={() => onToggle("flow", each.name)}
              />
            ))}
          </div>
        </section>
      )}
      {kinds.length + ownKinds.length > 0 && (
        <section>
          <h2>Alike</h2>
          <div>
            {[...ownKinds.map((template) => ({ template, count: null })), ...kinds].map((each) => (
              <Facet
                key={each.template}
                text={each.template}
                count={each.count}
                on={alike.includes(each.template)}
                onChange={() => onToggle("alike", each.template)}
              />
            ))}
          </div>
        </section>
      )}
    </aside>
  );
}

function Facet({
  text,
  count,
  on,
  onChange,
}: {
  text: string;
  count: number | null;
  on: boolean;
  onChange: () => void;
}) {
  return (
    <label title={text}>
      <Box label={text} on={on} onChange={onChange} />
      <span className="cut">{text}</span>
      <span className="q">{count === null ? "" : figure(count)}</span>
    </label>
  );
}
