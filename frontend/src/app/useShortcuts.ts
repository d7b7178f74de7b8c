import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";

const GO: Record<string, string> = {
  o: "/",
  f: "/fleet",
  a: "/allocations",
  c: "/cost",
  m: "/mig",
};
const SECOND_KEY_MS = 1200;

interface Shortcuts {
  onSearch: () => void;
  onHelp: () => void;
}

/** Keys everywhere but in fields: `/` or Ctrl-K search, `g o` overview, `g f` fleet, `?` help. */
export function useShortcuts({ onSearch, onHelp }: Shortcuts): void {
  const navigate = useNavigate();
  useEffect(() => {
    let armedUntil = 0;
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        onSearch();
        return;
      }
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const goal = event.timeStamp < armedUntil ? GO[event.key] : undefined;
      armedUntil = event.key === "g" ? event.timeStamp + SECOND_KEY_MS : 0;
      if (goal) void navigate({ to: goal as never });
      else if (event.key === "/") onSearch();
      else if (event.key === "?") onHelp();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [navigate, onSearch, onHelp]);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
