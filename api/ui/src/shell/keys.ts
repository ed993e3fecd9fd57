/** Keys of every page. Pages and the graph add their own. */

import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { undoNewest } from "@/parts/toasts";
import { PLACES } from "./places";
import { toggleTheme } from "./TopBar";

const CHORD_MS = 1_200;

export function isTyping(target: EventTarget | null): boolean {
  const element = target instanceof HTMLElement ? target : null;
  return element !== null && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));
}

export function useKeys({ openPalette, openKeys }: { openPalette: () => void; openKeys: () => void }): void {
  const navigate = useNavigate();
  useEffect(() => {
    let chordUntil = 0;
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openPalette();
        return;
      }
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target))
        return;
      const key = event.key.toUpperCase();
      if (Date.now() < chordUntil) {
        chordUntil = 0;
        const place = PLACES.find((each) => each.key === key);
        if (place) {
          event.preventDefault();
          void navigate({ to: place.to });
        }
        return;
      }
      if (key === "G") chordUntil = Date.now() + CHORD_MS;
      else if (key === "?") openKeys();
      else if (key === "T") toggleTheme();
      else if (key === "Z") undoNewest();
      else if (key === "/") {
        const field = document.querySelector<HTMLElement>("[data-filter], .page input[type=search]");
        if (field) {
          event.preventDefault();
          field.focus();
        }
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [navigate, openPalette, openKeys]);
}
