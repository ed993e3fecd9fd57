/** Choosing one of few, yes or no, and a tab of a page. */

import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode, useEffect, useRef } from "react";

export type Choice<T extends string> = { value: T; text: ReactNode; label?: string };

/** One of few, side by side. */
export function Segmented<T extends string>({
  value,
  choices,
  onChange,
  label,
  small = false,
}: {
  value: T;
  choices: readonly Choice<T>[];
  onChange: (value: T) => void;
  label: string;
  small?: boolean;
}) {
  return (
    <div className={small ? "seg small" : "seg"} role="group" aria-label={label}>
      {choices.map((each) => (
        <button
          key={each.value}
          type="button"
          aria-pressed={each.value === value}
          aria-label={each.label}
          title={each.label}
          onClick={() => onChange(each.value)}
        >
          {each.text}
        </button>
      ))}
    </div>
  );
}

export function Switch({
  on,
  onChange,
  label,
  disabled = false,
}: {
  on: boolean;
  onChange: (on: boolean) => void;
  label: string;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      aria-label={label}
      disabled={disabled}
      className={on ? "switch on" : "switch"}
      onClick={(event) => {
        event.stopPropagation();
        onChange(!on);
      }}
    />
  );
}

/** A box to tick; `part` shows that some of what it stands for are ticked. */
export function Box({
  on,
  part = false,
  onChange,
  label,
}: {
  on: boolean;
  part?: boolean;
  onChange: (on: boolean, withShift: boolean) => void;
  label: string;
}) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (input.current) input.current.indeterminate = part && !on;
  }, [part, on]);
  return (
    <input
      ref={input}
      type="checkbox"
      className="tick"
      checked={on}
      aria-label={label}
      onClick={(event) => event.stopPropagation()}
      onChange={(event) => onChange(event.target.checked, (event.nativeEvent as MouseEvent).shiftKey)}
    />
  );
}

export type Tab = { value: string; text: string; count?: ReactNode };

/** The tabs of a page; which one is open is part of the address. */
export function Tabs({ tabs, open, name = "tab" }: { tabs: readonly Tab[]; open: string; name?: string }) {
  return (
    <nav className="tabs" aria-label="Parts of this page">
      {tabs.map((tab) => (
        <Fragment key={tab.value}>
          <Link
            to="."
            search={((old: Record<string, unknown>) => ({ ...old, [name]: tab.value })) as never}
            replace
            activeProps={{}}
            aria-current={tab.value === open ? "page" : undefined}
            resetScroll={false}
          >
            {tab.text}
            {tab.count !== undefined && <span className="n">{tab.count}</span>}
          </Link>
        </Fragment>
      ))}
    </nav>
  );
}
