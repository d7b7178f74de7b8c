import i18next from "i18next";
import { Icon, type IconName } from "./Icon";
import { useFormat } from "./useFormat";

type Look = readonly [color: string, icon: IconName];

/** Colour and sign of every state the API tells; the word stands in `state.value.*`. */
const LOOKS: Record<string, Look> = {
  AVAILABLE: ["teal", "check"],
  READY: ["teal", "check"],
  OK: ["teal", "check"],
  DONE: ["teal", "check"],
  resolved: ["teal", "check"],
  healthy: ["teal", "check"],
  ALLOCATED: ["blue", "gpu"],
  Allocated: ["blue", "gpu"],
  RUNNING: ["blue", "refresh"],
  APPROVED: ["blue", "check"],
  MIG: ["grape", "slices"],
  Pending: ["yellow", "queue"],
  pending: ["yellow", "queue"],
  PAUSED: ["yellow", "pause"],
  DRAFT: ["gray", "audit"],
  suspect: ["yellow", "warning"],
  MAINTENANCE: ["yellow", "wrench"],
  RECONFIGURING: ["yellow", "refresh"],
  CORDONED: ["yellow", "pause"],
  acknowledged: ["yellow", "check"],
  silenced: ["gray", "off"],
  warning: ["yellow", "warning"],
  FAILED: ["red", "error"],
  Failed: ["red", "error"],
  failing: ["red", "error"],
  firing: ["red", "alerts"],
  critical: ["red", "error"],
  OFFLINE: ["gray", "off"],
  Released: ["gray", "check"],
  ROLLED_BACK: ["gray", "refresh"],
  info: ["blue", "info"],
  unknown: ["gray", "help"],
};

/** A state as colour, sign and word; a state we do not know shows its own name. */
export function StateBadge({ state, label }: { state: string; label?: string }) {
  // What is formatted changes with the language, and so do these words.
  useFormat();
  const [color, icon] = LOOKS[state] ?? (["gray", "info"] as const);
  return (
    <span
      className="state-badge state"
      style={{ background: `var(--mantine-color-${color}-light)` }}
    >
      <span style={{ color: `var(--mantine-color-${color}-light-color)` }}>
        <Icon name={icon} size={13} />
      </span>
      {label ?? i18next.t(`app:state.value.${state}`, { defaultValue: state })}
    </span>
  );
}
