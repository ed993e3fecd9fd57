import { ChevronDown, ChevronRight } from "lucide-react";
import { useMemo, useState } from "react";
import { LineText } from "./LineText";
import { harmless } from "./text";
import { type Frame, type Part, readTraceback, tokens } from "./traceback";

/** A traceback: own frames bright, those of libraries folded, the failing line on its wash. */
export function TracebackView({ text, small = false }: { text: string; small?: boolean }) {
  const read = useMemo(() => readTraceback(text), [text]);
  if (!read)
    return (
      <pre className="trace code" tabIndex={0}>
        <div className="fr err">
          <LineText text={text} />
        </div>
      </pre>
    );
  const failing = read.parts.findLastIndex((part) => part.kind === "own");
  return (
    <div
      className={small ? "trace small" : "trace code"}
      tabIndex={small ? undefined : 0}
      role="group"
      aria-label="Traceback"
    >
      {read.parts.map((part, at) => (
        <OnePart key={at} part={part} isFailing={at === failing} />
      ))}
    </div>
  );
}

function OnePart({ part, isFailing }: { part: Part; isFailing: boolean }) {
  if (part.kind === "text")
    return (
      <div className="fr err">
        <LineText text={part.lines.join("\n")} />
      </div>
    );
  if (part.kind === "own") return <OneFrame frame={part.frame} isFailing={isFailing} />;
  return <Folded label={part.label} frames={part.frames} />;
}

function Folded({ label, frames }: { label: string; frames: Frame[] }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? <ChevronDown className="i" /> : <ChevronRight className="i" />} {label}
      </button>
      {open && frames.map((frame, at) => <OneFrame key={at} frame={frame} isFailing={false} dim />)}
    </>
  );
}

function OneFrame({ frame, isFailing, dim = false }: { frame: Frame; isFailing: boolean; dim?: boolean }) {
  return (
    <div className={dim ? "frm dim" : "frm"}>
      <div className="fr" title={frame.file}>
        <span className="q">
          {shortPath(harmless(frame.file))}:{frame.line}
        </span>
        {frame.name && (
          <>
            {"  in "}
            <span className="fn">{harmless(frame.name)}</span>
          </>
        )}
      </div>
      {frame.code.map((code, at) => (
        <div key={at} className={isFailing && at === frame.code.length - 1 ? "fr hit" : "fr"}>
          {"    "}
          {tokens(harmless(code)).map((token, place) => (
            <span key={place} className={token.kind ?? undefined}>
              {token.text}
            </span>
          ))}
        </div>
      ))}
    </div>
  );
}

/** The last folders of a path: the whole is on hover. */
function shortPath(file: string): string {
  const parts = file.split("/");
  return parts.length > 5 ? parts.slice(-4).join("/") : file;
}
