import { EyeOff, Link2 } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "../Button";
import { copy } from "../copying";
import type { LogLine } from "@/data/logs";
import { alikeOf, plain } from "./text";

/** What one can do with an opened line: link to it, copy it, hide those like it. */
export function LineActions({
  line,
  onHide,
  children,
}: {
  line: LogLine;
  /** Told what the lines to hide have in common. */
  onHide?: (alike: string) => void;
  children?: ReactNode;
}) {
  return (
    <div className="row lnx-acts">
      {children}
      <Button small quiet onClick={() => void copy(location.href, "Link")}>
        <Link2 className="i s" /> Link to this line
      </Button>
      <Button small quiet onClick={() => void copy(plain(line.text), "Line")}>
        Copy the line
      </Button>
      {onHide && (
        <Button small quiet onClick={() => onHide(alikeOf(line.text))}>
          <EyeOff className="i s" /> Hide lines like this
        </Button>
      )}
      <span className="q push">{line.logger}</span>
    </div>
  );
}

/** Which kinds of lines are hidden, with a way back for each. */
export function Hidden({ kinds, onShow }: { kinds: readonly string[]; onShow: (alike: string) => void }) {
  if (kinds.length === 0) return null;
  return (
    <div className="row log-hidden">
      <span className="q sm">Hidden:</span>
      {kinds.map((kind) => (
        <button
          key={kind}
          type="button"
          className="chip"
          title={`Show again: ${kind}`}
          onClick={() => onShow(kind)}
        >
          <span className="cut">{kind || "empty lines"}</span> ×
        </button>
      ))}
    </div>
  );
}
