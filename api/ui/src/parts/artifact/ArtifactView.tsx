/** An artifact by its type. Nothing in it can run: Markdown is cleaned, HTML lies in a closed frame. */

import { lazy, Suspense } from "react";
import { Values } from "../Values";
import { asRows, ArtifactTable } from "./ArtifactTable";

const Markdown = lazy(() => import("./Markdown"));

type Shown = { type: string | null; data: unknown; key?: string | null };

export function ArtifactView({ artifact }: { artifact: Shown }) {
  const { type, data } = artifact;
  const name = artifact.key ?? "artifact";
  if (type === "markdown" && typeof data === "string")
    return (
      <Suspense fallback={<pre className="code">{data.slice(0, 2_000)}</pre>}>
        <Markdown text={data} />
      </Suspense>
    );
  if (type === "html" && typeof data === "string") return <Html text={data} title={name} />;
  if (type === "progress" && isNumber(data)) return <Progress percent={data} name={name} />;
  if (type === "image" && typeof data === "string") return <Picture address={data} name={name} />;
  if (type === "table") {
    const rows = asRows(data);
    if (rows) return <ArtifactTable rows={rows} label={`Table ${name}`} />;
  }
  return <Values value={data} label={name} />;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function Progress({ percent, name }: { percent: number; name: string }) {
  const shown = Math.min(100, Math.max(0, percent));
  return (
    <div className="art-progress">
      <div
        className="meter"
        role="meter"
        aria-label={name}
        aria-valuenow={shown}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <i style={{ width: `${shown}%` }} />
      </div>
      <span>{Math.round(shown * 10) / 10} %</span>
    </div>
  );
}

/** The frame has no origin of its own, runs no script and opens nothing. */
function Html({ text, title }: { text: string; title: string }) {
  return <iframe className="art-frame" sandbox="" srcDoc={text} title={title} referrerPolicy="no-referrer" />;
}

const OWN_IMAGE = /^data:image\/(png|jpeg|gif|webp);base64,/;

/** Pictures of other servers are linked and never loaded: a page asks nobody but its own server. */
function Picture({ address, name }: { address: string; name: string }) {
  if (OWN_IMAGE.test(address)) return <img className="art-image" src={address} alt={name} />;
  if (/^https?:\/\//.test(address))
    return (
      <p className="art-note">
        This picture lies on another server, which this page does not ask:{" "}
        <a className="link" href={address} target="_blank" rel="noopener noreferrer">
          {address}
        </a>
      </p>
    );
  return <Values value={address} label={name} />;
}
