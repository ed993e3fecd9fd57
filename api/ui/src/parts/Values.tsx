/** A JSON value as a tree that opens, or as text. Strings are text and never anything else. */

import { ChevronDown, ChevronRight, Copy } from "lucide-react";
import { useState } from "react";
import { counted } from "@/words/numbers";
import { Button } from "./Button";
import { Segmented } from "./choosing";
import { copy } from "./copying";

const MOST_ROWS = 200;
const MOST_TEXT = 20_000;
const SECRET = /^\*{8}$/;

export function Values({ value, label }: { value: unknown; label: string }) {
  const [view, setView] = useState<"tree" | "text">("tree");
  const text = () => JSON.stringify(value, null, 2) ?? "null";
  const shown = view === "text" ? text() : "";
  return (
    <div className="values" role="group" aria-label={label}>
      <div className="row values-acts">
        <Segmented
          small
          label="How it is shown"
          value={view}
          onChange={setView}
          choices={[
            { value: "tree", text: "Tree" },
            { value: "text", text: "Text" },
          ]}
        />
        <Button small onClick={() => void copy(text(), label)}>
          <Copy className="i s" /> Copy
        </Button>
      </div>
      {view === "tree" ? (
        <div className="json">
          <Entry name={null} value={value} depth={0} />
        </div>
      ) : (
        <pre className="code" tabIndex={0}>
          {shown.slice(0, MOST_TEXT)}
          {shown.length > MOST_TEXT &&
            `\n… ${counted(shown.length - MOST_TEXT, "more character")}; copy for the whole`}
        </pre>
      )}
    </div>
  );
}

function Entry({ name, value, depth }: { name: string | null; value: unknown; depth: number }) {
  const [open, setOpen] = useState(depth === 0);
  const [most, setMost] = useState(MOST_ROWS);
  const indent = { paddingLeft: depth * 18 };
  const key = name === null ? null : <b>{name}: </b>;
  if (typeof value !== "object" || value === null)
    return (
      <div style={indent}>
        <span />
        <span className="cut" title={typeof value === "string" ? value.slice(0, 2_000) : undefined}>
          {key}
          <Scalar value={value} />
        </span>
      </div>
    );
  const entries = Object.entries(value);
  const brackets = Array.isArray(value) ? "[]" : "{}";
  return (
    <>
      <div style={indent}>
        <button
          type="button"
          aria-expanded={open}
          aria-label={`${open ? "Close" : "Open"} ${name ?? "value"}`}
          onClick={() => setOpen(!open)}
        >
          {open ? <ChevronDown className="i" /> : <ChevronRight className="i" />}
        </button>
        <span className="cut">
          {key}
          <span className="q">{open ? brackets[0] : `${brackets[0]} … ${brackets[1]}`}</span>
        </span>
        <span className="q">{counted(entries.length, "entry", "entries")}</span>
      </div>
      {open &&
        entries
          .slice(0, most)
          .map(([each, inner]) => <Entry key={each} name={each} value={inner} depth={depth + 1} />)}
      {open && entries.length > most && (
        <div style={{ paddingLeft: (depth + 1) * 18 }}>
          <span />
          <button type="button" className="link" onClick={() => setMost(most + MOST_ROWS)}>
            {counted(entries.length - most, "more entry", "more entries")}
          </button>
        </div>
      )}
    </>
  );
}

function Scalar({ value }: { value: unknown }) {
  if (typeof value === "string") {
    if (SECRET.test(value)) return <span title="A secret is never shown">••••••••</span>;
    const cut = value.length > 500 ? `${value.slice(0, 500)}…` : value;
    return <span className="str">{JSON.stringify(cut)}</span>;
  }
  if (typeof value === "number") return <span className="num">{String(value)}</span>;
  return <span className="kw">{String(value)}</span>;
}
