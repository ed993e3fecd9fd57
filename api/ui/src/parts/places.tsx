/** What stands where rows would be: nothing yet, a failure, or something on its way. */

import { Copy } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { ApiFailure, said } from "@/data/failures";
import { Button } from "./Button";
import { copy } from "./copying";
import { StateGlyph } from "./StateGlyph";

/** A command with a button that copies it. */
export function CommandLine({ command }: { command: string }) {
  return (
    <div className="cmd">
      <span className="p" aria-hidden>
        $
      </span>
      <span className="cut" title={command}>
        {command}
      </span>
      <Button small label={`Copy: ${command}`} onClick={() => void copy(command, "Command")}>
        <Copy className="i s" /> Copy
      </Button>
    </div>
  );
}

/** An empty place: what belongs here, one command, one button. */
export function Empty({
  title,
  text,
  command,
  children,
}: {
  title: string;
  text?: ReactNode;
  command?: string;
  children?: ReactNode;
}) {
  return (
    <div className="empty-place">
      <div className="empty">
        <div className="bb">{title}</div>
        {text && <div className="m">{text}</div>}
        {command && <CommandLine command={command} />}
        {children && <div className="row">{children}</div>}
      </div>
    </div>
  );
}

/** What could not be read, and the way to try again. */
export function Failure({ what, error, retry }: { what: string; error: unknown; retry?: () => void }) {
  const asked = error instanceof ApiFailure ? `${error.asked} answered ${error.status || "nothing"}` : "";
  return (
    <div className="empty-place" role="alert">
      <div className="empty">
        <div className="row">
          <StateGlyph type="FAILED" label={false} />
          <span className="bb">{what} could not be read</span>
        </div>
        <div className="m wrap">{said(error)}</div>
        <div className="row">
          {retry && <Button onClick={retry}>Try again</Button>}
          <Button quiet onClick={() => void copy(`${what}: ${said(error)}\n${asked}`, "Details")}>
            Copy details
          </Button>
        </div>
      </div>
    </div>
  );
}

/** Rows to come, of the same height; nothing for the first 150 ms. */
export function Skeleton({ rows = 8 }: { rows?: number }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div
      role="status"
      aria-busy="true"
      aria-label="Loading"
      style={{ visibility: shown ? "visible" : "hidden" }}
    >
      {Array.from({ length: rows }, (_, at) => (
        <div key={at} className="skel">
          <i style={{ width: 12 }} />
          <i style={{ width: `${18 + ((at * 7) % 12)}%` }} />
          <i style={{ width: `${24 - ((at * 5) % 9)}%` }} />
          <i style={{ width: "9%" }} />
        </div>
      ))}
    </div>
  );
}

type Query<T> = { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };

/** The content of a query, or what stands in its place. What was read before stays while it is read anew. */
export function Loaded<T>({
  query,
  what,
  rows,
  children,
}: {
  query: Query<T>;
  what: string;
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Failure what={what} error={query.error} retry={() => void query.refetch()} />;
  return <Skeleton rows={rows} />;
}
