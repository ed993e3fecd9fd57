/** How the page's connection to the server stands. */

export type LiveStatus =
  { kind: "live" } | { kind: "reconnecting"; since: number } | { kind: "polling"; since: number };
