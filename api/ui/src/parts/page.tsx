/** What pages are made of: title row, facts, sections, strips, columns. */

import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode, useEffect } from "react";

export type Crumb = { text: string; to: string };

/** Crumbs, the title as the last of them, state, one grey line; actions at the right. Also names the browser's tab. */
export function Title({
  crumbs = [],
  title,
  after,
  sub,
  children,
}: {
  crumbs?: readonly Crumb[];
  title: string;
  after?: ReactNode;
  sub?: ReactNode;
  children?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Heliostat`;
  }, [title]);
  return (
    <header className="title">
      {crumbs.length > 0 && (
        <nav className="crumbs" aria-label="Where this page lies">
          {crumbs.map((crumb) => (
            <Fragment key={crumb.to}>
              <Link to={crumb.to} className="cut" title={crumb.text}>
                {crumb.text}
              </Link>
              <span className="sep">/</span>
            </Fragment>
          ))}
        </nav>
      )}
      <h1 title={title}>{title}</h1>
      {after}
      {sub && <span className="sub">{sub}</span>}
      {children && <div className="acts">{children}</div>}
    </header>
  );
}

/** A row of named values below the title. */
export function Facts({ children }: { children: ReactNode }) {
  return <div className="facts">{children}</div>;
}

export function Fact({
  name,
  grow = false,
  children,
}: {
  name: ReactNode;
  grow?: boolean;
  children: ReactNode;
}) {
  return (
    <div className={grow ? "grow" : undefined}>
      <div className="k">{name}</div>
      <div className="v">{children}</div>
    </div>
  );
}

export function SectionHead({
  title,
  count,
  children,
}: {
  title: string;
  count?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div className="sec-h">
      <h2>{title}</h2>
      {count !== undefined && <span className="n">{count}</span>}
      {children && <span className="push">{children}</span>}
    </div>
  );
}

/** Name and value, one below the other: for panels at the right. */
export function Pairs({ rows }: { rows: readonly (readonly [ReactNode, ReactNode])[] }) {
  return (
    <dl className="kv">
      {rows.map(([name, value], at) => (
        <Fragment key={at}>
          <dt>{name}</dt>
          <dd title={typeof value === "string" ? value : undefined}>{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

export function Tags({ tags }: { tags: readonly string[] | null | undefined }) {
  if (!tags || tags.length === 0) return null;
  const shown = tags.slice(0, 3);
  return (
    <span className="chips" title={tags.join(", ")}>
      {shown.map((tag) => (
        <span key={tag} className="chip">
          <span className="cut">{tag}</span>
        </span>
      ))}
      {tags.length > shown.length && <span className="chip">+{tags.length - shown.length}</span>}
    </span>
  );
}
