/** What lines that are alike have in common: the same text that the server makes of them. */

const VARYING =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|'[^'\n]{1,200}'|"[^"\n]{1,200}"|\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b|(?<![\w/])(?:\/[\w.@+-]+){2,}\/?|\d+(?:[.,:]\d+)*/gi;

export function templateOf(line: string): string {
  const first = line.trimStart().slice(0, 2_000).split("\n")[0] ?? "";
  return first.replace(VARYING, "…").split(/\s+/).filter(Boolean).join(" ").slice(0, 160);
}
