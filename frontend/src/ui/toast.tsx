import { Notification } from "@mantine/core";
import { type ReactNode, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { ApiProblem } from "../api/problem";
import { Icon } from "./Icon";
import { Sentence } from "./states";

interface Toast {
  id: number;
  title: string;
  text?: ReactNode;
  isError: boolean;
}

const SHOWN_MS = 7000;
let toasts: Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function keep(changed: Toast[]): void {
  toasts = changed;
  for (const watcher of watchers) watcher();
}

function show(toast: Omit<Toast, "id">): void {
  const id = next++;
  keep([...toasts.slice(-3), { id, ...toast }]);
  // What failed stays until it is closed: people may need to copy it.
  if (!toast.isError) window.setTimeout(() => drop(id), SHOWN_MS);
}

function drop(id: number): void {
  keep(toasts.filter((one) => one.id !== id));
}

/** Say that something was done. */
export function tell(title: string, text?: string): void {
  show({ title, text, isError: false });
}

/** Say that something failed, with the server's own sentence. */
export function tellFailure(title: string, error: unknown): void {
  const text = (
    <>
      <Sentence error={error} />
      {error instanceof ApiProblem && ` (${error.code})`}
    </>
  );
  show({ title, text, isError: true });
}

/** Where the messages appear. */
export function Toasts() {
  const { t } = useTranslation("app");
  const shown = useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => toasts,
  );
  return (
    <section className="toasts" aria-live="polite" aria-label={t("toast.region")}>
      {shown.map((one) => (
        <Notification
          key={one.id}
          withBorder
          color={one.isError ? "red" : "teal"}
          icon={<Icon name={one.isError ? "error" : "check"} />}
          title={one.title}
          onClose={() => drop(one.id)}
          closeButtonProps={{ "aria-label": t("action.close") }}
          role={one.isError ? "alert" : "status"}
        >
          {one.text}
        </Notification>
      ))}
    </section>
  );
}
