/** Tracebacks of Python as frames: the author's own, and runs of frames of libraries that are folded. */

export type Frame = { file: string; line: number; name: string; code: string[] };
export type Part =
  | { kind: "text"; lines: string[] }
  | { kind: "own"; frame: Frame }
  | { kind: "folded"; label: string; frames: Frame[] };
export type Traceback = { before: string; parts: Part[]; frames: number; error: string };

const HEAD = /^[\s|+-]*Traceback \(most recent call last\):\s*$/;
const FRAME = /^([\s|]*)File "([^"]+)", line (\d+)(?:, in (.+))?$/;
const POINTERS = /^[\s|]*[~^]+[\s~^]*$/;
const MOST_LINES = 3_000;

/** The library that a file belongs to; null for the author's own. */
export function libraryOf(file: string): string | null {
  if (file.startsWith("<frozen")) return "Python";
  const installed = /(?:site-packages|dist-packages)\/([^/]+)/.exec(file)?.[1];
  if (installed) return named(installed.replace(/\.py$/, ""));
  if (/\/heliostat\/(?:runtime|actors|api|pools|demo)\//.test(file)) return "Heliostat";
  if (/\/lib(?:64)?\/python3[^/]*\//.test(file)) return "Python";
  return null;
}

function named(name: string): string {
  return { ray: "Ray", heliostat: "Heliostat" }[name] ?? name;
}

/** Whether a text has a traceback in it: cheap, asked for every line in view. */
export function hasTraceback(text: string): boolean {
  return text.includes("Traceback (most recent call last):");
}

export function readTraceback(text: string): Traceback | null {
  const lines = text.split("\n").slice(0, MOST_LINES);
  const first = lines.findIndex((line) => HEAD.test(line));
  if (first < 0) return null;
  const parts: Part[] = [];
  let frames = 0;
  let at = first;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    at += 1;
    const found = FRAME.exec(line);
    if (!found) {
      if (!HEAD.test(line) && line.trim()) addText(parts, line);
      continue;
    }
    const [, indent = "", file = "", number = "0", name = ""] = found;
    const frame: Frame = { file, line: Number(number), name, code: [] };
    while (at < lines.length && isCode(lines[at] ?? "", indent.length)) {
      const code = lines[at] ?? "";
      if (!POINTERS.test(code)) frame.code.push(code.slice(indent.length + 2));
      at += 1;
    }
    frames += 1;
    addFrame(parts, frame);
  }
  const last = parts.findLast((part) => part.kind === "text");
  return {
    before: lines.slice(0, first).join("\n"),
    parts,
    frames,
    error: last?.kind === "text" ? (last.lines[last.lines.length - 1] ?? "") : "",
  };
}

function isCode(line: string, indent: number): boolean {
  return indentOf(line) >= indent + 2 && !FRAME.test(line);
}

function indentOf(line: string): number {
  return line.trim() ? (/^[\s|]*/.exec(line)?.[0].length ?? 0) : 0;
}

function addText(parts: Part[], line: string): void {
  const last = parts[parts.length - 1];
  if (last?.kind === "text") last.lines.push(line);
  else parts.push({ kind: "text", lines: [line] });
}

function addFrame(parts: Part[], frame: Frame): void {
  const library = libraryOf(frame.file);
  if (library === null) {
    parts.push({ kind: "own", frame });
    return;
  }
  const last = parts[parts.length - 1];
  if (last?.kind === "folded") {
    last.frames.push(frame);
    const names = [...new Set(last.frames.map((each) => libraryOf(each.file) ?? ""))];
    last.label = foldLabel(last.frames.length, names);
  } else parts.push({ kind: "folded", label: foldLabel(1, [library]), frames: [frame] });
}

function foldLabel(count: number, names: string[]): string {
  const listed = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  return `${count === 1 ? "1 frame" : `${count} frames`} of ${listed}`;
}

export type Token = { text: string; kind: "kw" | "str" | "num" | "com" | null };

const TOKENS =
  /(?<com>#.*$)|(?<str>[rbfu]{0,2}(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))|(?<kw>\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|False|finally|for|from|global|if|import|in|is|lambda|None|nonlocal|not|or|pass|raise|return|True|try|while|with|yield)\b)|(?<num>\b\d[\d_.]*\b)/g;

/** A line of Python cut into words of a colour each. */
export function tokens(code: string): Token[] {
  const cut = code.slice(0, 400);
  const found: Token[] = [];
  let from = 0;
  for (const match of cut.matchAll(TOKENS)) {
    if (match.index > from) found.push({ text: cut.slice(from, match.index), kind: null });
    const kind = (["com", "str", "kw", "num"] as const).find((each) => match.groups?.[each] !== undefined);
    found.push({ text: match[0], kind: kind ?? null });
    from = match.index + match[0].length;
  }
  if (from < cut.length) found.push({ text: cut.slice(from), kind: null });
  return found;
}
