/** The one line in which a list is filtered: text with its tokens marked, completed by the server. */

import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { ListFilter, X } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { type Token, tokens } from "@/words/query";
import { Button } from "../Button";

type Props = {
  value: string;
  onChange: (text: string) => void;
  label: string;
  placeholder: string;
  /** Count and time, at the end of the line. */
  told?: ReactNode;
  /** What is wrong with tokens, by where they begin. */
  problems?: readonly { token: Token; text: string }[];
  /** What may stand in place of the token that is being typed; null: a new one. */
  complete?: (token: Token | null, signal?: AbortSignal) => Promise<string[]>;
  /** What a completion is about, in grey. */
  about?: (completion: string) => string | undefined;
};

const APPLIES_AFTER_MS = 350;

export function QueryLine({
  value,
  onChange,
  label,
  placeholder,
  told,
  problems = [],
  complete,
  about,
}: Props) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const marks = useRef<HTMLDivElement>(null);
  const [text, setText] = useState(value);
  const [caret, setCaret] = useState(value.length);
  const [isOpen, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const applied = useRef(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    if (value === applied.current) return;
    applied.current = value; // changed from outside: a view, a facet, the browser's back
    setText(value);
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const apply = (next: string) => {
    clearTimeout(timer.current);
    const tidy = next.trim();
    if (tidy === applied.current) return;
    applied.current = tidy;
    onChange(tidy);
  };
  const type = (next: string, at: number) => {
    setText(next);
    setCaret(at);
    setChosen(-1);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => apply(next), APPLIES_AFTER_MS);
  };

  const typed = tokens(text).find((token) => token.start < caret && caret <= token.end) ?? null;
  const options = useCompletions(typed, isOpen, complete);
  const take = (completion: string) => {
    const start = typed ? typed.start : caret;
    const sign = typed?.negated && !completion.startsWith("-") ? "-" : "";
    const isWhole = !completion.endsWith(":") && !completion.endsWith(".");
    const put = sign + completion + (isWhole ? " " : "");
    const next = text.slice(0, start) + put + text.slice(typed ? typed.end : caret).replace(/^ /, "");
    setText(next);
    setChosen(-1);
    if (isWhole) apply(next);
    const at = start + put.length;
    setCaret(at);
    requestAnimationFrame(() => field.current?.setSelectionRange(at, at));
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && options.length > 0) {
      event.preventDefault();
      setOpen(true);
      setChosen((chosen + step + options.length + (chosen < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (event.key === "Enter" || (event.key === "Tab" && isOpen && chosen >= 0)) {
      event.preventDefault();
      const option = isOpen ? options[chosen] : undefined;
      if (option !== undefined) take(option);
      else {
        setOpen(false);
        apply(text);
      }
    } else if (event.key === "Escape") {
      if (isOpen) event.stopPropagation();
      setOpen(false);
      setChosen(-1);
    }
  };
  const shown = isOpen && options.length > 0;
  return (
    <div
      className="query"
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}
    >
      <ListFilter className="i" />
      <div className="query-in">
        <div className="query-marks" ref={marks} aria-hidden>
          <Marks text={text} problems={problems} />
        </div>
        <input
          ref={field}
          data-filter
          role="combobox"
          aria-label={label}
          aria-expanded={shown}
          aria-controls={`${id}-list`}
          aria-activedescendant={shown && chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-invalid={problems.length > 0}
          autoComplete="off"
          spellCheck={false}
          placeholder={placeholder}
          value={text}
          onFocus={() => setOpen(true)}
          onChange={(event) => {
            setOpen(true);
            type(event.target.value, event.target.selectionStart ?? event.target.value.length);
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onScroll={(event) => {
            if (marks.current) marks.current.scrollLeft = event.currentTarget.scrollLeft;
          }}
          onKeyDown={pressed}
        />
      </div>
      {told && <span className="m">{told}</span>}
      {text && (
        <Button
          quiet
          small
          icon
          label="Clear the filter"
          onClick={() => {
            setText("");
            apply("");
            field.current?.focus();
          }}
        >
          <X className="i" />
        </Button>
      )}
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label="Completions"
        className="query-list"
        style={{ display: shown ? undefined : "none" }}
      >
        {options.map((option, at) => (
          <div
            key={option}
            id={`${id}-${at}`}
            role="option"
            aria-selected={at === chosen}
            onPointerDown={(event) => {
              event.preventDefault();
              take(option);
            }}
          >
            {option}
            {about?.(option) && <span className="q">{about(option)}</span>}
          </div>
        ))}
      </div>
    </div>
  );
}

function Marks({ text, problems }: { text: string; problems: Props["problems"] }) {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const token of tokens(text)) {
    parts.push(text.slice(at, token.start));
    const problem = problems?.find((each) => each.token.start === token.start);
    parts.push(
      <span key={token.start} className={problem ? "bad" : undefined}>
        {text.slice(token.start, token.end)}
      </span>,
    );
    at = token.end;
  }
  parts.push(text.slice(at));
  return <>{parts}</>;
}

function useCompletions(token: Token | null, isOpen: boolean, complete: Props["complete"]): string[] {
  const [asked] = useDebouncedValue(token ? `${token.field}:${token.value}` : "", 120);
  const query = useQuery({
    queryKey: ["completions", complete?.name, asked],
    queryFn: ({ signal }) => complete?.(token, signal) ?? [],
    enabled: isOpen && complete !== undefined,
    staleTime: 20_000,
  });
  return isOpen ? (query.data ?? []) : [];
}
