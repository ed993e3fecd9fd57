/** What happened on the cluster: nodes that came and went, actors that began anew, runs that were rescued. */

import { Link } from "@tanstack/react-router";
import type { Loss, News } from "@/data/cluster";
import { SectionHead } from "@/parts/page";
import { StateGlyph } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";

const MOST = 30;
const GLYPHS: Record<string, [string, string]> = {
  "node-lost": ["CRASHED", "Crashed"],
  "node-joined": ["COMPLETED", "Completed"],
  "actor-restarted": ["RUNNING", "Retrying"],
  "run-moved": ["RUNNING", "Retrying"],
};
const WORDS: Record<string, string> = {
  "node-lost": "is lost:",
  "node-joined": "joined with",
  "actor-restarted": "began anew:",
};

type Entry = { at: number; kind: string; name: string; text: string; run?: string };

export function Lately({ news, losses }: { news: readonly News[]; losses: readonly Loss[] }) {
  const moved: Entry[] = losses.map((each) => ({
    at: Date.parse(each.at) / 1000,
    kind: "run-moved",
    name: each.run_name,
    text: each.reason,
    run: each.run_id,
  }));
  const entries = [...news, ...moved].sort((one, other) => other.at - one.at).slice(0, MOST) as Entry[];
  return (
    <section aria-label="Lately" className="bt">
      <SectionHead title="Lately" count={entries.length === 0 ? "nothing in 24 h" : undefined} />
      <div className="evs">
        {entries.map((each, number) => {
          const [type, name] = GLYPHS[each.kind] ?? ["PENDING", "Pending"];
          return (
            <div key={number}>
              <span className="q">
                <Time at={each.at * 1000} />
              </span>
              <StateGlyph type={type} name={name} label={false} />
              <span className="cut" title={`${each.name} ${WORDS[each.kind] ?? ""} ${each.text}`}>
                {each.run ? (
                  <Link className="b" to={`/runs/${each.run}`}>
                    {each.name}
                  </Link>
                ) : (
                  <b className="b">{each.name.replace("control:", "")}</b>
                )}{" "}
                {WORDS[each.kind] ?? "changed its process:"} {each.text}
              </span>
            </div>
          );
        })}
      </div>
    </section>
  );
}
