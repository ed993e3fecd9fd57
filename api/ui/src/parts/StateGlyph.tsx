/** The glyph of a state: shape says it, colour repeats it. */

import type { ReactNode } from "react";
import { type Glyph, glyphOf, kindOf, wordOf } from "@/words/states";

const line = {
  fill: "none",
  stroke: "currentColor",
  strokeLinecap: "round",
  strokeLinejoin: "round",
} as const;

const SHAPES: Readonly<Record<Glyph, ReactNode>> = {
  scheduled: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.6" />
      <path d="M8 5v3.2l2 1.3" {...line} strokeWidth="1.6" />
    </>
  ),
  late: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path className="knock" d="M8 4.4v3.9l2.6 1.6" />
    </>
  ),
  pending: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.6" />
      <path d="M8 4.2a3.8 3.8 0 0 1 0 7.6z" fill="currentColor" />
    </>
  ),
  running: (
    <>
      <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="2" opacity=".28" />
      <path className="spin" d="M8 2a6 6 0 1 1-6 6" {...line} strokeWidth="2" />
      <circle cx="8" cy="8" r="2.2" fill="currentColor" />
    </>
  ),
  retrying: (
    <>
      <path className="spin" d="M13.6 6A6 6 0 1 0 14 8" {...line} strokeWidth="1.8" />
      <path d="M14 2.4V6h-3.6" {...line} strokeWidth="1.8" />
    </>
  ),
  paused: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path className="knock" d="M6.2 5.4v5.2M9.8 5.4v5.2" />
    </>
  ),
  completed: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path className="knock" d="M4.9 8.2l2.2 2.2 4.1-4.6" />
    </>
  ),
  cached: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.6" />
      <path d="M5.2 8.2l2 2 3.6-4.1" {...line} strokeWidth="1.7" />
    </>
  ),
  failed: (
    <>
      <rect x="1.5" y="1.5" width="13" height="13" rx="2.4" fill="currentColor" />
      <path className="knock" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" />
    </>
  ),
  timedout: (
    <>
      <rect x="1.5" y="1.5" width="13" height="13" rx="2.4" fill="currentColor" />
      <path className="knock" d="M8 4.4v3.9l2.6 1.6" />
    </>
  ),
  crashed: (
    <>
      <path d="M8 1.2 15.4 14H.6z" fill="currentColor" stroke="currentColor" strokeLinejoin="round" />
      <path className="knock" d="M8.9 5.6 6.9 9h2.4l-1.8 3.2" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.8" />
      <path d="M4 12l8-8" {...line} strokeWidth="1.8" />
    </>
  ),
  cancelling: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.8" strokeLinecap="butt" strokeDasharray="3 2.2" />
      <path d="M4 12l8-8" {...line} strokeWidth="1.8" />
    </>
  ),
  notready: <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.8" strokeDasharray="0.1 3.6" />,
  none: <circle cx="8" cy="8" r="2" fill="currentColor" />,
};

type Props = { type?: string | null; name?: string | null; large?: boolean; label?: boolean };

/** The glyph alone; `label` gives its word to readers of the screen. */
export function StateGlyph({ type, name, large = false, label = true }: Props) {
  const word = wordOf(type, name);
  return (
    <svg
      className={`g k-${kindOf(type, name)}${large ? " g-lg" : ""}`}
      viewBox="0 0 16 16"
      {...(label ? { role: "img", "aria-label": word } : { "aria-hidden": true })}
    >
      {SHAPES[glyphOf(type, name)]}
    </svg>
  );
}

type BadgeProps = { type?: string | null; name?: string | null; pill?: boolean; large?: boolean };

/** Glyph and word: plain in tables, on its wash (`pill`) in titles. */
export function StateBadge({ type, name, pill = false, large = false }: BadgeProps) {
  const classes = ["st", `k-${kindOf(type, name)}`, pill ? "pill" : "", large ? "lg" : ""];
  return (
    <span className={classes.filter(Boolean).join(" ")}>
      <StateGlyph type={type} name={name} label={false} />
      {wordOf(type, name)}
    </span>
  );
}
