import { Group, Paper, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

interface FigureProps {
  label: string;
  value: ReactNode;
  /** What the number counts, when the value does not say so itself. */
  unit?: string;
  /** Of when, of what, or compared with what. */
  note?: ReactNode;
  /** Address of the rows behind the number. */
  to?: string;
  tone?: "plain" | "good" | "warn" | "bad";
  icon?: ReactNode;
}

const TONES = {
  plain: undefined,
  good: "var(--tone-good)",
  warn: "var(--tone-warn)",
  bad: "var(--tone-bad)",
};

/** A number first: large, with its unit and its time, leading to the rows behind it. */
export function Figure({ label, value, unit, note, to, tone = "plain", icon }: FigureProps) {
  const inside = (
    <>
      <Text size="xs" c="dimmed" lineClamp={2}>
        {label}
      </Text>
      <Group gap={6} align="baseline" wrap="nowrap">
        {icon && tone !== "plain" && <span style={{ color: TONES[tone] }}>{icon}</span>}
        <Text component="span" className="figure" style={{ color: TONES[tone] }}>
          {value}
        </Text>
        {unit && (
          <Text component="span" size="sm" c="dimmed">
            {unit}
          </Text>
        )}
      </Group>
      {note && (
        <Text size="xs" c="dimmed" component="div">
          {note}
        </Text>
      )}
    </>
  );
  if (!to) {
    return (
      <Paper withBorder p="sm" radius="md" h="100%">
        {inside}
      </Paper>
    );
  }
  return (
    <Paper withBorder radius="md" h="100%" className="figure-link">
      <Link to={to as never}>{inside}</Link>
    </Paper>
  );
}
