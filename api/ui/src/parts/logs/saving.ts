import type { LogLine } from "@/data/logs";
import { LEVEL_WORDS, levelOf, plain } from "./text";

/** Give the reader these lines as a text file. */
export function saveLines(lines: readonly LogLine[], name: string): void {
  const text = lines
    .map((line) => `${line.at} ${LEVEL_WORDS[levelOf(line.level)]} ${line.logger} ${plain(line.text)}\n`)
    .join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${name.replace(/[^A-Za-z0-9_.-]+/g, "-")}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
