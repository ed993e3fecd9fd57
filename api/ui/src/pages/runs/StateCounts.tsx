import type { RunSummary } from "@/data/runList";
import { StateGlyph } from "@/parts/StateGlyph";
import { figure } from "@/words/numbers";
import { kindOf } from "@/words/states";

/** The word in the query, with the state whose glyph stands for it. */
const WORDS: readonly (readonly [string, string, string | null])[] = [
  ["completed", "COMPLETED", null],
  ["running", "RUNNING", null],
  ["failed", "FAILED", null],
  ["crashed", "CRASHED", null],
  ["late", "SCHEDULED", "Late"],
  ["paused", "PAUSED", null],
  ["waiting", "PENDING", null],
  ["cancelled", "CANCELLED", null],
];

const wordOfKind = (kind: string) => (kind === "pending" || kind === "scheduled" ? "waiting" : kind);

export function countsByWord(states: RunSummary["states"]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { type, name, count } of states) {
    const word = wordOfKind(kindOf(type, name));
    found[word] = (found[word] ?? 0) + count;
  }
  return found;
}

/** Counts by state, each a switch of the filter. */
export function StateCounts({
  counts,
  chosen,
  onToggle,
}: {
  counts: Record<string, number>;
  chosen: readonly string[];
  onToggle: (word: string) => void;
}) {
  return (
    <div className="row gap1" role="group" aria-label="States">
      {WORDS.filter(([word]) => (counts[word] ?? 0) > 0 || chosen.includes(word)).map(
        ([word, type, name]) => (
          <button
            key={word}
            type="button"
            className="facet"
            aria-pressed={chosen.includes(word)}
            onClick={() => onToggle(word)}
          >
            <StateGlyph type={type} name={name} label={false} /> <b>{figure(counts[word] ?? 0)}</b> {word}
          </button>
        ),
      )}
    </div>
  );
}
