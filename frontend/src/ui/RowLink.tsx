import { useRouter } from "@tanstack/react-router";
import type { MouseEvent, ReactNode } from "react";
import { appRoot } from "../lib/root";

interface RowLinkProps {
  /** Path and query inside the application: `/fleet/nodes/n1`. */
  to: string;
  children: ReactNode;
}

/** A link in a table: as many come into sight as rows do, so it follows nothing of the router. */
export function RowLink({ to, children }: RowLinkProps) {
  const router = useRouter();
  const href = appRoot + to;
  const go = (event: MouseEvent) => {
    const isOther = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (event.defaultPrevented || event.button !== 0 || isOther) return;
    event.preventDefault();
    router.history.push(href);
  };
  return (
    <a href={href} onClick={go}>
      {children}
    </a>
  );
}
