/** One stream for all tabs of a browser: a tab leads and reads it, the others hear from that tab. */

import { LiveStream, WORLD, type LiveStatus, type News, type World } from "./live";

/** What tabs say to each other. */
export type Said =
  | { type: "topics"; from: string; topics: string[] }
  | { type: "bye"; from: string }
  | { type: "who" }
  | { type: "news"; topic: string; data: unknown }
  | { type: "refetch"; topics: string[] }
  | { type: "at"; id: string }
  | { type: "status"; status: LiveStatus };

export type Channel = {
  postMessage: (said: Said) => void;
  onmessage: ((event: { data: Said }) => void) | null;
  close: () => void;
};
/** Runs `lead` once this tab is the leader, until its promise ends. */
export type Election = (lead: () => Promise<void>, signal: AbortSignal) => Promise<void>;

export type Surroundings = { url: string; world?: World; channel: Channel | null; election: Election | null };

type Handler = (news: News) => void;

const TELL_EVERY_MS = 20_000;
const FORGOTTEN_MS = 150_000; // timers of hidden tabs run once a minute

export class LiveTabs {
  private readonly id = Math.random().toString(36).slice(2);
  private readonly handlers = new Map<string, Set<Handler>>();
  private readonly others = new Map<string, { topics: string[]; seen: number }>();
  private readonly watchers = new Set<() => void>();
  private readonly ending = new AbortController();
  private readonly world: World;
  private stream: LiveStream | null = null;
  private lastId = "";
  private release: () => void = () => undefined;
  private cancelTelling: () => void = () => undefined;
  private current: LiveStatus;

  constructor(private readonly around: Surroundings) {
    this.world = around.world ?? WORLD;
    this.current = { kind: "reconnecting", since: this.world.now() };
  }

  /** Begin: as the leader, or as a listener of the one there is. */
  start(): void {
    const { channel, election } = this.around;
    if (!channel || !election) {
      this.lead();
      return;
    }
    channel.onmessage = ({ data }) => this.hear(data);
    this.tellOthers();
    void election(() => {
      this.lead();
      return new Promise((resolve) => (this.release = resolve));
    }, this.ending.signal).catch(() => {
      if (!this.ending.signal.aborted) this.lead(); // where locks are forbidden, each tab has its own stream
    });
  }

  stop(): void {
    this.cancelTelling();
    this.around.channel?.postMessage({ type: "bye", from: this.id });
    this.stream?.stop();
    this.stream = null;
    this.ending.abort();
    this.release();
    this.around.channel?.close();
  }

  /** Hear of a topic; returns what ends it. */
  subscribe(topic: string, handler: Handler): () => void {
    const there = this.handlers.get(topic);
    if (there) there.add(handler);
    else {
      this.handlers.set(topic, new Set([handler]));
      this.topicsChanged();
    }
    return () => {
      const now = this.handlers.get(topic);
      if (!now?.delete(handler) || now.size > 0) return;
      this.handlers.delete(topic);
      this.topicsChanged();
    };
  }

  get isLeader(): boolean {
    return this.stream !== null;
  }

  readonly status = (): LiveStatus => this.current;

  readonly watchStatus = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  tryNow(): void {
    this.stream?.tryNow();
  }

  private lead(): void {
    if (this.stream || this.ending.signal.aborted) return;
    const tell = (said: Said) => {
      this.around.channel?.postMessage(said);
      this.take(said);
    };
    this.stream = new LiveStream(
      this.around.url,
      {
        news: (topic, data) => tell({ type: "news", topic, data }),
        refetch: (topics) => tell({ type: "refetch", topics }),
        at: (id) => tell({ type: "at", id }),
        status: (status) => tell({ type: "status", status }),
      },
      this.world,
      this.lastId,
    );
    this.around.channel?.postMessage({ type: "who" });
    this.followAll();
  }

  /** What the leader says, in every tab. */
  private take(said: Said): void {
    if (said.type === "news") this.give([said.topic], { kind: "data", data: said.data });
    else if (said.type === "refetch") this.give(said.topics, { kind: "refetch" });
    else if (said.type === "at") this.lastId = said.id;
    else if (said.type === "status") {
      this.current = said.status;
      this.watchers.forEach((watcher) => watcher());
    }
  }

  private hear(said: Said): void {
    if (said.type === "who") {
      this.tellOthers();
    } else if (said.type === "bye") {
      if (this.others.delete(said.from)) this.followAll();
    } else if (said.type === "topics") {
      const isNew = !this.others.has(said.from);
      this.others.set(said.from, { topics: said.topics, seen: this.world.now() });
      if (this.stream && isNew) this.around.channel?.postMessage({ type: "status", status: this.current });
      this.followAll();
    } else if (!this.stream) this.take(said);
  }

  private give(topics: string[], news: News): void {
    for (const topic of topics) for (const handler of [...(this.handlers.get(topic) ?? [])]) handler(news);
  }

  private topicsChanged(): void {
    this.followAll();
    if (this.around.channel) this.tellOthers();
  }

  private tellOthers(): void {
    this.cancelTelling();
    if (this.ending.signal.aborted) return;
    this.around.channel?.postMessage({ type: "topics", from: this.id, topics: [...this.handlers.keys()] });
    this.cancelTelling = this.world.later(() => this.tellOthers(), TELL_EVERY_MS);
  }

  private followAll(): void {
    if (!this.stream) return;
    const long = this.world.now() - FORGOTTEN_MS;
    for (const [tab, { seen }] of this.others) if (seen < long) this.others.delete(tab);
    const all = [...this.others.values()].flatMap((each) => each.topics);
    this.stream.follow([...this.handlers.keys(), ...all]);
  }
}

/** The tabs of this browser, as far as it lets them know of each other. */
export function tabsOf(url: string): LiveTabs {
  const name = `heliostat-live ${url}`;
  const canShare =
    typeof BroadcastChannel !== "undefined" && typeof navigator !== "undefined" && !!navigator.locks;
  return new LiveTabs({
    url,
    channel: canShare ? (new BroadcastChannel(name) as unknown as Channel) : null,
    election: canShare
      ? (lead, signal) => navigator.locks.request(name, { signal }, lead).then(() => undefined)
      : null,
  });
}
