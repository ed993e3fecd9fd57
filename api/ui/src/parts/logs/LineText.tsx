import { useMemo, useState } from "react";
import { bytes } from "@/words/numbers";
import { copy } from "../copying";
import { pieces } from "./text";

const SHOWN = 2_000;
const MORE = 50_000;
const MOST_ROWS = 60;

/** Text of a run with its colours and links; long texts are cut, with a button for more. */
export function LineText({ text, marks }: { text: string; marks?: RegExp | null }) {
  const [most, setMost] = useState(SHOWN);
  const [cut, isCut] = useMemo(() => cutText(text, most), [text, most]);
  const parts = useMemo(() => pieces(cut, most === SHOWN ? marks : null), [cut, marks, most]);
  return (
    <>
      {parts.map((part, at) => {
        const look = [part.tone && `a-${part.tone}`, part.bold && "b", part.faint && "q"]
          .filter(Boolean)
          .join(" ");
        if (part.href)
          return (
            <a key={at} className="link" href={part.href} target="_blank" rel="noopener noreferrer nofollow">
              {part.text}
            </a>
          );
        if (part.marked) return <mark key={at}>{part.text}</mark>;
        return look ? (
          <span key={at} className={look}>
            {part.text}
          </span>
        ) : (
          part.text
        );
      })}
      {isCut && (
        <span className="ln-more">
          … {bytes(text.length - cut.length)} more{" "}
          <button type="button" className="link" onClick={() => setMost(most + MORE)}>
            Show more
          </button>{" "}
          <button type="button" className="link" onClick={() => void copy(text, "Line")}>
            Copy the whole
          </button>
        </span>
      )}
    </>
  );
}

function cutText(text: string, most: number): [string, boolean] {
  let end = Math.min(text.length, most);
  if (most === SHOWN) {
    let rows = 0;
    for (let at = text.indexOf("\n"); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) {
      rows += 1;
      if (rows >= MOST_ROWS) {
        end = at;
        break;
      }
    }
  }
  return [text.slice(0, end), end < text.length];
}
