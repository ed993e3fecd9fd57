import { describe, expect, it } from "vitest";
import { LiveStream, POLL_MS, SILENT_MS, type LiveStatus, type World } from "./live";

type Opened = {
  url: URL;
  after: string | undefined;
  say: (text: string) => Promise<void>;
  end: () => Promise<void>;
  isAborted: () => boolean;
};

/** A server and a clock that do what a test says. */
class Fake implements World {
  time = 0;
  isDown = false;
  isRefusing = false;
  readonly opened: Opened[] = [];
  private timers: { at: number; act: () => void }[] = [];

  readonly now = () => this.time;
  readonly random = () => 1;

  readonly later = (act: () => void, afterMs: number) => {
    const timer = { at: this.time + afterMs, act };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((each) => each !== timer));
  };

  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    if (this.isDown) return Promise.reject(new TypeError("refused"));
    if (this.isRefusing) return Promise.resolve(new Response("busy", { status: 503 }));
    let end: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (end = given) });
    const headers = new Headers(init.headers);
    init.signal?.addEventListener("abort", () => end?.error(new Error("aborted")));
    this.opened.push({
      url: new URL(url),
      after: headers.get("Last-Event-ID") ?? undefined,
      say: (text) => {
        end?.enqueue(new TextEncoder().encode(text));
        return settled();
      },
      end: () => {
        end?.close();
        return settled();
      },
      isAborted: () => init.signal?.aborted ?? false,
    });
    return Promise.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
  };

  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = next.at;
      this.timers = this.timers.filter((each) => each !== next);
      next.act();
      await settled();
    }
    this.time = until;
  }

  get last(): Opened {
    const found = this.opened.at(-1);
    if (!found) throw new Error("nothing was asked");
    return found;
  }
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
const hello = (resumed: boolean, id = "1-") =>
  `event: hello\ndata: {"resumed": ${resumed}, "beat_s": 10}\n\nid: ${id}\n\n`;

function opened(after = "") {
  const world = new Fake();
  const heard: unknown[] = [];
  const statuses: LiveStatus["kind"][] = [];
  const stream = new LiveStream(
    "http://here/live",
    {
      news: (topic, data) => heard.push([topic, data]),
      refetch: (topics) => heard.push(["refetch", topics]),
      at: () => undefined,
      status: ({ kind }) => statuses.push(kind),
    },
    world,
    after,
  );
  return { world, heard, statuses, stream };
}

describe("the stream of changes", () => {
  it("reads messages however they are cut into pieces", async () => {
    const { world, heard, stream, statuses } = opened();
    stream.follow(["flow_runs"]);
    await world.pass(50);
    await world.last.say(hello(false));
    const bytes = 'event: flow_runs\ndata: {"runs": ["\u2028ü"]}\n\n: beat\n\n';
    for (const piece of [bytes.slice(0, 3), bytes.slice(3, 30), bytes.slice(30)]) await world.last.say(piece);
    expect(heard).toEqual([
      ["refetch", ["flow_runs"]],
      ["flow_runs", { runs: ["\u2028ü"] }],
    ]);
    expect(statuses).toEqual(["live"]);
  });

  it("asks once for topics that come together, and goes on from where it was when more come", async () => {
    const { world, heard, stream } = opened();
    stream.follow(["setup"]);
    stream.follow(["setup", "flow_runs"]);
    await world.pass(50);
    expect(world.opened.length).toBe(1);
    expect(world.last.url.searchParams.getAll("topic")).toEqual(["flow_runs", "setup"]);
    const first = world.last;
    await first.say(hello(false, "7-"));
    stream.follow(["setup", "flow_runs", "logs:1"]);
    await world.pass(50);
    expect(world.last.after).toBe("7-");
    expect(first.isAborted()).toBe(false);
    await world.last.say(hello(true, "8-3"));
    expect(first.isAborted()).toBe(true);
    expect(heard).toEqual([["refetch", ["flow_runs", "setup"]]]);
  });

  it("goes on after a break without asking again for everything", async () => {
    const { world, heard, stream, statuses } = opened("5-");
    stream.follow(["events"]);
    await world.pass(50);
    expect(world.last.after).toBe("5-");
    await world.last.say(hello(true));
    await world.last.say("id: 9-\n\n");
    await world.last.end();
    expect(statuses).toEqual(["live", "reconnecting"]);
    await world.pass(1_000);
    expect(world.last.after).toBe("9-");
    await world.last.say(hello(true));
    expect(statuses.at(-1)).toBe("live");
    expect(heard).toEqual([]);
    await world.last.say('event: reset\ndata: {"topics": ["events"], "why": "too far behind"}\n\n');
    expect(heard).toEqual([["refetch", ["events"]]]);
  });

  it("polls after repeated failure, goes on trying, and comes back", async () => {
    const { world, heard, stream, statuses } = opened();
    world.isRefusing = true;
    stream.follow(["flow_runs"]);
    await world.pass(6_000);
    expect(statuses).toEqual(["reconnecting", "polling"]);
    const before = heard.length;
    await world.pass(2 * POLL_MS);
    expect(heard.length).toBe(before + 2);
    world.isRefusing = false;
    await world.pass(11_000);
    await world.last.say(hello(false));
    expect(statuses.at(-1)).toBe("live");
    const after = heard.length;
    await world.pass(POLL_MS);
    expect(heard.length).toBe(after);
  });

  it("does not poll a server that is away", async () => {
    const { world, heard, stream, statuses } = opened();
    world.isDown = true;
    stream.follow(["flow_runs"]);
    await world.pass(60_000);
    expect(statuses).toEqual(["reconnecting"]);
    expect(heard).toEqual([]);
    world.isDown = false;
    stream.tryNow();
    await settled();
    await world.last.say(hello(false));
    expect(statuses).toEqual(["reconnecting", "live"]);
  });

  it("takes a stream that says nothing for broken", async () => {
    const { world, stream, statuses } = opened();
    stream.follow(["flow_runs"]);
    await world.pass(50);
    const first = world.last;
    await first.say(hello(false));
    await world.pass(SILENT_MS - 1_000);
    await first.say(": beat\n\n");
    await world.pass(SILENT_MS - 1_000);
    expect(statuses).toEqual(["live"]);
    await world.pass(1_500);
    expect(first.isAborted()).toBe(true);
    expect(world.opened.length).toBe(2);
  });

  it("ends when nothing is wanted, and when it is stopped", async () => {
    const { world, stream, statuses } = opened();
    stream.follow(["flow_runs"]);
    await world.pass(50);
    await world.last.say(hello(false));
    stream.follow([]);
    await world.pass(50);
    expect(world.last.isAborted()).toBe(true);
    stream.follow(["events"]);
    await world.pass(50);
    stream.stop();
    expect(world.last.isAborted()).toBe(true);
    await world.pass(60_000);
    expect(world.opened.length).toBe(2);
    expect(statuses).toEqual(["live"]);
  });
});
