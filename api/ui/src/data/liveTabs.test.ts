import { describe, expect, it } from "vitest";
import type { News } from "./live";
import { LiveTabs, type Channel, type Election, type Said } from "./liveTabs";

/** Channels and locks of one browser, and a server that answers each stream with hello. */
class Browser {
  readonly asked: { topics: string[]; after: string | null; say: (text: string) => void }[] = [];
  private channels: Channel[] = [];
  private queue: { lead: () => Promise<void>; signal: AbortSignal }[] = [];
  private held = false;

  tab(): LiveTabs {
    const channel: Channel = {
      onmessage: null,
      postMessage: (data: Said) => {
        for (const each of [...this.channels]) if (each !== channel) each.onmessage?.({ data });
      },
      close: () => void (this.channels = this.channels.filter((each) => each !== channel)),
    };
    this.channels.push(channel);
    const election: Election = (lead, signal) => {
      this.queue.push({ lead, signal });
      return this.elect();
    };
    return new LiveTabs({ url: "http://here/live", channel, election, world: this.world });
  }

  alone(): LiveTabs {
    return new LiveTabs({ url: "http://here/live", channel: null, election: null, world: this.world });
  }

  private async elect(): Promise<void> {
    if (this.held) return;
    const next = this.queue.shift();
    if (!next) return;
    if (next.signal.aborted) return this.elect();
    this.held = true;
    await next.lead();
    this.held = false;
    await this.elect();
  }

  private readonly world = {
    now: () => 0,
    random: () => 0,
    later: (act: () => void, afterMs: number) => {
      if (afterMs > 100) return () => undefined;
      const timer = setTimeout(act, 0);
      return () => clearTimeout(timer);
    },
    fetch: (url: string, init: RequestInit) => {
      let put: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({ start: (given) => void (put = given) });
      const after = new Headers(init.headers).get("Last-Event-ID");
      const say = (text: string) => put?.enqueue(new TextEncoder().encode(text));
      this.asked.push({ topics: new URL(url).searchParams.getAll("topic"), after, say });
      say(`event: hello\ndata: {"resumed": ${after !== null}}\n\nid: ${this.asked.length}-\n\n`);
      return Promise.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    },
  };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
const ears = () => {
  const heard: News[] = [];
  return { heard, hear: (news: News) => void heard.push(news) };
};

describe("the tabs of a browser", () => {
  it("share one stream of all their topics, and each hears what it asked for", async () => {
    const browser = new Browser();
    const [first, second] = [browser.tab(), browser.tab()];
    first.start();
    second.start();
    const [runs, events] = [ears(), ears()];
    first.subscribe("flow_runs", runs.hear);
    second.subscribe("events", events.hear);
    await settled();
    expect([first.isLeader, second.isLeader]).toEqual([true, false]);
    const stream = browser.asked.at(-1);
    expect(stream?.topics).toEqual(["events", "flow_runs"]);
    stream?.say('event: events\ndata: {"events": []}\n\n');
    await settled();
    expect(events.heard.at(-1)).toEqual({ kind: "data", data: { events: [] } });
    expect(runs.heard.every(({ kind }) => kind === "refetch")).toBe(true);
    expect(second.status()).toEqual({ kind: "live" });
  });

  it("hand over the stream, which goes on where it was", async () => {
    const browser = new Browser();
    const [first, second] = [browser.tab(), browser.tab()];
    first.start();
    second.start();
    const mine = ears();
    first.subscribe("setup", () => undefined);
    second.subscribe("flow_runs", mine.hear);
    await settled();
    browser.asked.at(-1)?.say("id: 42-7\n\n");
    await settled();
    const before = mine.heard.length;
    first.stop();
    await settled();
    expect(second.isLeader).toBe(true);
    const stream = browser.asked.at(-1);
    expect(stream).toMatchObject({ topics: ["flow_runs"], after: "42-7" });
    stream?.say('event: flow_runs\ndata: {"runs": []}\n\n');
    await settled();
    expect(mine.heard.slice(before)).toEqual([{ kind: "data", data: { runs: [] } }]);
  });

  it("forget the topics of a tab that is closed", async () => {
    const browser = new Browser();
    const [first, second] = [browser.tab(), browser.tab()];
    first.start();
    second.start();
    first.subscribe("flow_runs", () => undefined);
    second.subscribe("events", () => undefined);
    await settled();
    second.stop();
    await settled();
    expect(browser.asked.at(-1)?.topics).toEqual(["flow_runs"]);
  });

  it("have a stream each where they cannot know of each other", async () => {
    const browser = new Browser();
    const tabs = [browser.alone(), browser.alone()];
    tabs.forEach((tab) => {
      tab.start();
      tab.subscribe("flow_runs", () => undefined);
    });
    await settled();
    expect(browser.asked.length).toBe(2);
    expect(tabs.map((tab) => tab.status().kind)).toEqual(["live", "live"]);
  });
});
