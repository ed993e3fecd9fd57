/** The text of a log line made ready to be shown: colours, links, search marks, and nothing that could do harm. */

import Anser from "anser";

export type Tone = "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "dim" | "bright" | null;
export type Piece = {
  text: string;
  tone: Tone;
  bold: boolean;
  faint: boolean;
  /** Where a click leads; only http and https. */
  href?: string;
  marked?: boolean;
};

// Commands of terminals other than colours: they move cursors and name windows, and mean nothing on a page.
const OTHER_SEQUENCES =
  /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?<=>!]*[ -/]*[@-ln-~]|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[()#%][0-9A-Za-z]|\x1b[=>78cDEHMNOZ]/g;
const BIDI = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/g;
const LINK = /https?:\/\/[^\s<>"'`{}|\\^\x00-\x1f\u2400-\u243f]+/g;

/** The text without what a terminal would obey; control characters are shown as their pictures. */
export function harmless(text: string): string {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/[\x00-\x08\x0b-\x1f]/g, (each) => String.fromCharCode(0x2400 + each.charCodeAt(0)))
    .replace(/[\x7f-\x9f]/g, (each) => (each === "\x7f" ? "\u2421" : "\ufffd"))
    .replace(BIDI, (each) => `\u27e8U+${each.charCodeAt(0).toString(16).toUpperCase()}\u27e9`);
}

/** The text as it is read: no colours, no commands. */
export function plain(text: string): string {
  return harmless(text.replace(OTHER_SEQUENCES, "").replace(/\x1b\[[0-9;:]*m/g, ""));
}

const TONES: Readonly<Record<string, Tone>> = {
  "ansi-red": "red",
  "ansi-green": "green",
  "ansi-yellow": "yellow",
  "ansi-blue": "blue",
  "ansi-magenta": "magenta",
  "ansi-cyan": "cyan",
  "ansi-black": "dim",
  "ansi-white": null,
  "ansi-bright-black": "dim",
  "ansi-bright-red": "red",
  "ansi-bright-green": "green",
  "ansi-bright-yellow": "yellow",
  "ansi-bright-blue": "blue",
  "ansi-bright-magenta": "magenta",
  "ansi-bright-cyan": "cyan",
  "ansi-bright-white": "bright",
};

/** Cut into pieces of one look each. `marks` has to be global. */
export function pieces(text: string, marks?: RegExp | null): Piece[] {
  const known = text.replace(OTHER_SEQUENCES, "");
  const coloured: Piece[] = known.includes("\x1b[")
    ? Anser.ansiToJson(known, { use_classes: true, remove_empty: true }).map((part) => ({
        text: harmless(part.content),
        tone: TONES[part.fg] ?? null,
        bold: part.decorations.includes("bold"),
        faint: part.decorations.includes("dim"),
      }))
    : [{ text: harmless(known), tone: null, bold: false, faint: false }];
  const linked = coloured.flatMap((piece) => split(piece, LINK, (found) => linkOf(found)));
  if (!marks) return linked;
  return linked.flatMap((piece) => split(piece, marks, () => ({ marked: true })));
}

function linkOf(found: string): Partial<Piece> & { text?: string } {
  const end = found.replace(/[),.;:!?\]]+$/, "");
  try {
    const url = new URL(end);
    if (url.protocol === "http:" || url.protocol === "https:") return { href: url.href, text: end };
  } catch {
    // not an address after all
  }
  return {};
}

function split(
  piece: Piece,
  pattern: RegExp,
  found: (text: string) => Partial<Piece> & { text?: string },
): Piece[] {
  const parts: Piece[] = [];
  let from = 0;
  for (const match of piece.text.matchAll(pattern)) {
    if (!match[0]) continue;
    const { text = match[0], ...look } = found(match[0]);
    if (match.index > from) parts.push({ ...piece, text: piece.text.slice(from, match.index) });
    parts.push({ ...piece, ...look, text });
    from = match.index + text.length;
  }
  if (from === 0 && parts.length === 0) return [piece];
  if (from < piece.text.length) parts.push({ ...piece, text: piece.text.slice(from) });
  return parts;
}

/** What `/words/` or plain words mark; null when nothing is asked or the pattern cannot be read. */
export function marksOf(asked: string): RegExp | null {
  const text = asked.trim();
  if (!text) return null;
  const expression = /^\/(.+)\/$/.exec(text)?.[1];
  try {
    return new RegExp(expression ?? text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
  } catch {
    return null;
  }
}

/** What lines that differ in figures, ids, quoted words and paths alone have in common. */
export function alikeOf(text: string): string {
  return plain(text.slice(0, 400))
    .split("\n", 1)
    .join("")
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, "…")
    .replace(/"[^"]*"|'[^']*'/g, "…")
    .replace(/\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b/gi, "…")
    .replace(/\d+(?:[.,:]\d+)*/g, "#")
    .trim();
}

export type Level = "D" | "I" | "W" | "E" | "C";

export function levelOf(level: number): Level {
  if (level >= 50) return "C";
  if (level >= 40) return "E";
  if (level >= 30) return "W";
  return level >= 20 ? "I" : "D";
}

export const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  D: "debug",
  I: "info",
  W: "warning",
  E: "error",
  C: "critical",
};
