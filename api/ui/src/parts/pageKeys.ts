/** Keys of one page, beside those of every page: `usePageKeys({ R: retry, X: cancel })`. */

import { useEffect, useRef } from "react";

export function usePageKeys(keys: Readonly<Record<string, (() => void) | undefined>>): void {
  const held = useRef(keys);
  useEffect(() => {
    held.current = keys;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      if (target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) return;
      if (document.querySelector("[role=dialog],[role=menu]")) return; // what floats has the keys
      const name = `${event.shiftKey && event.key.length === 1 && /[A-Z]/.test(event.key) ? "Shift " : ""}${event.key.toUpperCase()}`;
      const act = held.current[name];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}
