/** Fields of small forms: whole numbers as they are typed, and what the server says of each field. */

import { ApiFailure, said } from "@/data/failures";

/** A whole number, nothing for an empty field; anything else goes to the server as it is, which refuses it. */
export function readWhole(text: string): number | string | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return /^[-+]?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
}

/** The server's words for each field, and what is about none of the fields that are shown. */
export function useProblems(failed: unknown, fields: readonly string[]) {
  const told = failed instanceof ApiFailure ? failed.fields : [];
  const of = (name: string): string | null =>
    told
      .filter((each) => each.at.split(".")[0] === name)
      .map((each) => each.text)
      .join(" ") || null;
  const placed = told.filter((each) => fields.includes(each.at.split(".")[0] ?? ""));
  const rest = failed === null || (told.length > 0 && placed.length === told.length) ? "" : said(failed);
  return { of, rest };
}
