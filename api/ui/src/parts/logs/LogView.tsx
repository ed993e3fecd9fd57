/** Log lines of any number: virtual rows, links, tracebacks, and following that ends when the reader scrolls. */

import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDownToLine, ChevronRight } from "lucide-react";
import {
  type KeyboardEvent,
  memo,
  type ReactNode,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useClock } from "@/data/preferences";
import { counted } from "@/words/numbers";
import { type Clock, timeWithMillis, toDate } from "@/words/times";
import { Button } from "../Button";
import type { LogLine } from "@/data/logs";
import { LineText } from "./LineText";
import { LEVEL_WORDS, levelOf } from "./text";
import { hasTraceback, readTraceback } from "./traceback";
import { TracebackView } from "./TracebackView";

type Props = {
  label: string;
  lines: readonly LogLine[];
  /** What stands between level and text: the task, the run, the try. */
  who?: (line: LogLine) => ReactNode;
  wrap: boolean;
  marks?: RegExp | null;
  /** The line that is opened: its id is part of the page's address. */
  open?: string;
  onOpen?: (id: string) => void;
  /** What is shown below the opened line: what to do with it, and the lines around it. */
  inside?: (line: LogLine) => ReactNode;
  following?: boolean;
  onFollow?: (on: boolean) => void;
  /** Asked for when the first or the last line comes into view. */
  onStart?: () => void;
  onEnd?: () => void;
  height?: number | string;
};

const NEAR_END_PX = 40;
const INTENT_MS = 700;

export function LogView(props: Props) {
  const { lines, open, onOpen, following = false, onFollow, onStart, onEnd, wrap } = props;
  const clock = useClock();
  const isNarrow = useMediaQuery("(max-width: 720px)") ?? false;
  const scroller = useRef<HTMLDivElement>(null);
  const touched = useRef(0);
  const [current, setCurrent] = useState(-1);
  const [seen, setSeen] = useState(0);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isNarrow ? 42 : 20),
    overscan: 20,
    getItemKey: (at) => lines[at]?.id ?? at,
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => {
    if (lines.length === 0) return;
    if (onStart && first <= 10) onStart();
    if (onEnd && last >= lines.length - 10) onEnd();
  }, [first, last, lines.length, onStart, onEnd]);
  useStayAtEnd(virtual, lines.length, following);
  useStayInPlace(virtual, lines, following, scroller);
  useShowLine(virtual, lines, open);

  const toEnd = useCallback(() => {
    setSeen(lines.length);
    onFollow?.(true);
    virtual.scrollToIndex(lines.length - 1, { align: "end" });
  }, [lines.length, onFollow, virtual]);
  const scrolled = () => {
    const box = scroller.current;
    if (!box || !following || Date.now() - touched.current > INTENT_MS) return;
    if (box.scrollHeight - box.scrollTop - box.clientHeight > NEAR_END_PX) {
      setSeen(lines.length);
      onFollow?.(false);
    }
  };
  const intend = () => (touched.current = Date.now());
  const walk = (event: KeyboardEvent) => {
    intend();
    if (event.target !== scroller.current) return;
    const step = { j: 1, k: -1 }[event.key];
    if (step !== undefined) {
      const next = Math.min(lines.length - 1, Math.max(0, (current < 0 ? first : current) + step));
      setCurrent(next);
      virtual.scrollToIndex(next);
    } else if (event.key === "Enter" && lines[current]) onOpen?.(lines[current].id);
    else if (event.key === "." && onFollow) toEnd();
    else return;
    event.preventDefault();
  };
  const fresh = Math.max(0, lines.length - seen);
  return (
    <div className="log-box" style={{ height: props.height }}>
      <div
        className={wrap ? "log" : "log nowrap"}
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label={props.label}
        tabIndex={0}
        onScroll={scrolled}
        onWheel={intend}
        onTouchMove={intend}
        onPointerDown={intend}
        onKeyDown={walk}
      >
        <div className="log-body" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const line = lines[item.index];
            if (!line) return null;
            return (
              <div
                key={item.key}
                data-index={item.index}
                ref={virtual.measureElement}
                className="log-row"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <OneLine
                  line={line}
                  clock={clock}
                  who={props.who}
                  marks={props.marks}
                  isOpen={line.id === open}
                  isCurrent={item.index === current}
                  onOpen={onOpen}
                />
                {line.id === open && props.inside && <div className="lnx">{props.inside(line)}</div>}
              </div>
            );
          })}
        </div>
      </div>
      {onFollow && !following && seen > 0 && (
        <div className="log-stopped" role="status">
          <span className="m">Following stopped{fresh > 0 && <>, {counted(fresh, "new line")}</>}</span>
          <Button small onClick={toEnd}>
            <ArrowDownToLine className="i s" /> Follow
          </Button>
        </div>
      )}
    </div>
  );
}

type Lines = ReturnType<typeof useVirtualizer<HTMLDivElement, Element>>;

/** Follow: the newest line stays in view. */
function useStayAtEnd(virtual: Lines, count: number, following: boolean): void {
  const size = virtual.getTotalSize();
  useEffect(() => {
    if (following && count > 0) virtual.scrollToIndex(count - 1, { align: "end" });
    // The size changes as lines are measured: the end moves with it.
  }, [following, count, size, virtual]);
}

/** Lines that come in above leave what is read where it is. */
function useStayInPlace(
  virtual: Lines,
  lines: readonly LogLine[],
  following: boolean,
  scroller: React.RefObject<HTMLDivElement | null>,
): void {
  const top = useRef<string | undefined>(undefined);
  useEffect(() => {
    const before = top.current;
    top.current = lines[0]?.id;
    if (following || before === undefined || before === top.current) return;
    const moved = lines.findIndex((line) => line.id === before);
    const box = scroller.current;
    if (moved > 0 && box) virtual.scrollToOffset(box.scrollTop + moved * 20);
  }, [lines, following, virtual, scroller]);
}

/** A line named in the address comes into view once it is there. */
function useShowLine(virtual: Lines, lines: readonly LogLine[], open: string | undefined): void {
  const shown = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (!open || shown.current === open) return;
    const at = lines.findIndex((line) => line.id === open);
    if (at < 0) return;
    shown.current = open;
    virtual.scrollToIndex(at, { align: "auto" });
  }, [virtual, lines, open]);
}

const OneLine = memo(function OneLine({
  line,
  clock,
  who,
  marks,
  isOpen,
  isCurrent,
  onOpen,
}: {
  line: LogLine;
  clock: Clock;
  who?: (line: LogLine) => ReactNode;
  marks?: RegExp | null;
  isOpen: boolean;
  isCurrent: boolean;
  onOpen?: (id: string) => void;
}) {
  const level = levelOf(line.level);
  const at = toDate(line.at);
  const withTraceback = hasTraceback(line.text);
  const text = useMemo(
    () => (withTraceback ? (readTraceback(line.text)?.before ?? line.text) : line.text),
    [line.text, withTraceback],
  );
  const classes = ["ln", level === "C" ? "E" : level, isOpen && "sel", isCurrent && "cur"];
  return (
    <div className={classes.filter(Boolean).join(" ")}>
      <button
        type="button"
        className="t"
        title={`${at.toISOString()}\nOpen this line`}
        aria-expanded={onOpen ? isOpen : undefined}
        onClick={() => onOpen?.(isOpen ? "" : line.id)}
      >
        {timeWithMillis(at, clock)}
      </button>
      <span className="lv" title={LEVEL_WORDS[level]}>
        {level}
        <span className="sr">{` ${LEVEL_WORDS[level]}`}</span>
      </span>
      <span className="w">{who?.(line)}</span>
      <div className="x">
        <LineText text={text} marks={marks} />
        {withTraceback && <Folding text={line.text} />}
      </div>
    </div>
  );
});

function Folding({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const read = useMemo(() => readTraceback(text), [text]);
  if (!read) return null;
  return (
    <div>
      <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        <ChevronRight className={open ? "i open" : "i"} /> Traceback, {counted(read.frames, "frame")}{" "}
        <span className="t-failed">{read.error.slice(0, 300)}</span>
      </button>
      {open && <TracebackView text={text} small />}
    </div>
  );
}
