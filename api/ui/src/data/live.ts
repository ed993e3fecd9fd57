/** How the page learns of changes: one stream from the server, tried again when it breaks. */

import { createParser } from "eventsource-parser";

/** How the page's connection to the server stands. */
export type LiveStatus =
  { kind: "live" } | { kind: "reconnecting"; since: number } | { kind: "polling"; since: number };

/** What a subscriber hears: data of a message, or that it has to ask for everything again. */
export type News = { kind: "data"; data: unknown } | { kind: "refetch" };

export type Ears = {
  news: (topic: string, data: unknown) => void;
  refetch: (topics: string[]) => void;
  /** Up to here everything was heard; another stream can go on from it. */
  at: (id: string) => void;
  status: (status: LiveStatus) => void;
};

/** What a stream uses of its surroundings. */
export type World = {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  now: () => number;
  random: () => number;
  later: (act: () => void, afterMs: number) => () => void;
};

export const WORLD: World = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
  later: (act, afterMs) => {
    const timer = setTimeout(act, afterMs);
    return () => clearTimeout(timer);
  },
};

export const GATHER_MS = 40; // topics that change together cost one request
export const SILENT_MS = 25_000; // the server says something every ten seconds
export const POLL_MS = 5_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const TRIES_BEFORE_POLLING = 3;

type Line = {
  abort: AbortController;
  topics: string[];
  isAnswered: boolean;
  isOpen: boolean;
  quiet: () => void;
};

/** One stream of the topics that are wanted. A change of topics opens the next stream before it ends the last. */
export class LiveStream {
  private wanted: string[] = [];
  private line: Line | null = null;
  private next: Line | null = null;
  private lastId: string;
  private failures = 0;
  private lostSince: number | null = null;
  private status: LiveStatus | null = null;
  private cancelRetry: (() => void) | null = null;
  private cancelGather: (() => void) | null = null;
  private cancelPoll: (() => void) | null = null;
  private isStopped = false;

  constructor(
    private readonly url: string,
    private readonly ears: Ears,
    private readonly world: World = WORLD,
    after = "",
  ) {
    this.lastId = after;
  }

  /** Follow these topics from now on, and no others. */
  follow(topics: Iterable<string>): void {
    const sorted = [...new Set(topics)].sort();
    if (sorted.join() === this.wanted.join()) return;
    this.wanted = sorted;
    this.cancelGather?.();
    this.cancelGather = this.world.later(() => {
      this.cancelGather = null;
      this.reopen();
    }, GATHER_MS);
  }

  /** Try at once: the network is back, or somebody looks. */
  tryNow(): void {
    if (this.cancelRetry === null) return;
    this.cancelRetry();
    this.cancelRetry = null;
    this.reopen();
  }

  stop(): void {
    this.isStopped = true;
    for (const cancel of [this.cancelRetry, this.cancelGather, this.cancelPoll]) cancel?.();
    this.drop(this.line);
    this.drop(this.next);
    this.line = this.next = null;
  }

  private reopen(): void {
    if (this.isStopped || this.cancelRetry) return;
    this.drop(this.next);
    this.next = null;
    if (this.wanted.length === 0) {
      this.drop(this.line);
      this.line = null;
      return;
    }
    const line: Line = {
      abort: new AbortController(),
      topics: this.wanted,
      isAnswered: false,
      isOpen: false,
      quiet: () => undefined,
    };
    this.next = line;
    void this.read(line).then(
      () => this.broken(line),
      () => this.broken(line),
    );
  }

  private async read(line: Line): Promise<void> {
    this.listenFor(line);
    const asked = new URLSearchParams(line.topics.map((topic) => ["topic", topic]));
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const answer = await this.world.fetch(`${this.url}?${asked.toString()}`, {
      headers,
      signal: line.abort.signal,
      credentials: "same-origin",
      cache: "no-store",
    });
    line.isAnswered = true;
    const type = answer.headers.get("content-type") ?? "";
    if (!answer.ok || !answer.body || !type.startsWith("text/event-stream"))
      throw new Error(`The stream of changes was answered ${answer.status}.`);
    const parser = createParser({
      onEvent: ({ event, data }) => this.hear(line, event ?? "message", JSON.parse(data)),
      onId: (id) => this.mark(line, id),
    });
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.isOver(line)) return;
      this.listenFor(line);
      parser.feed(decoder.decode(value, { stream: true }));
    }
  }

  private hear(line: Line, event: string, data: unknown): void {
    if (this.isOver(line)) return;
    if (event === "hello") this.opened(line, (data as { resumed: boolean }).resumed);
    else if (event === "reset") this.ears.refetch((data as { topics: string[] }).topics);
    else this.ears.news(event, data);
  }

  private mark(line: Line, id: string): void {
    if (this.isOver(line) || !line.isOpen) return;
    this.lastId = id;
    this.ears.at(id);
  }

  private opened(line: Line, resumed: boolean): void {
    this.drop(this.line);
    this.line = line;
    if (this.next === line) this.next = null;
    line.isOpen = true;
    this.failures = 0;
    this.lostSince = null;
    this.cancelPoll?.();
    this.cancelPoll = null;
    if (!resumed) this.ears.refetch(line.topics);
    this.say({ kind: "live" });
  }

  private broken(line: Line): void {
    line.quiet();
    if (this.isOver(line)) return;
    const isSpare = line === this.next && this.line !== null;
    if (line === this.line) this.line = null;
    if (line === this.next) this.next = null;
    this.failures += 1;
    if (!isSpare) {
      this.lostSince ??= this.world.now();
      // Only where somebody answers does it help to ask for everything.
      if (this.failures >= TRIES_BEFORE_POLLING && line.isAnswered) this.poll();
      else {
        this.cancelPoll?.();
        this.cancelPoll = null;
        this.say({ kind: "reconnecting", since: this.lostSince });
      }
    }
    if (this.next) return; // another one is on its way
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.failures - 1), LONGEST_PAUSE_MS);
    this.cancelRetry?.();
    this.cancelRetry = this.world.later(
      () => {
        this.cancelRetry = null;
        this.reopen();
      },
      pause * (0.5 + this.world.random() / 2),
    );
  }

  private poll(): void {
    this.say({ kind: "polling", since: this.lostSince ?? this.world.now() });
    if (this.cancelPoll) return;
    const again = () => {
      this.ears.refetch(this.wanted);
      this.cancelPoll = this.world.later(again, POLL_MS);
    };
    again();
  }

  private listenFor(line: Line): void {
    line.quiet();
    line.quiet = this.world.later(() => {
      if (this.isOver(line)) return;
      line.abort.abort();
      this.broken(line);
    }, SILENT_MS);
  }

  private isOver(line: Line): boolean {
    return this.isStopped || (line !== this.line && line !== this.next);
  }

  private drop(line: Line | null): void {
    if (!line) return;
    line.quiet();
    line.abort.abort();
  }

  private say(status: LiveStatus): void {
    const same =
      this.status?.kind === status.kind &&
      (status.kind === "live" || ("since" in this.status && this.status.since === status.since));
    this.status = status;
    if (!same) this.ears.status(status);
  }
}
