import { Alert, Anchor, Button, Group, Paper, Skeleton, Stack, Text, Title } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiProblem, Offline } from "../api/problem";
import { Icon, type IconName } from "./Icon";
import { Original, ProblemText } from "./Told";
import { useFormat } from "./useFormat";

/** Grey bars where content will be. */
export function Loading({ rows = 6, label }: { rows?: number; label?: string }) {
  const { t } = useTranslation("app");
  const heights = Array.from({ length: rows }, (_, index) => index);
  return (
    <Stack gap="xs" role="status" aria-label={label ?? t("state.loading")}>
      {heights.map((index) => (
        <Skeleton key={index} height={index === 0 ? 28 : 20} radius="sm" />
      ))}
    </Stack>
  );
}

interface EmptyProps {
  title: string;
  /** What to do next. */
  hint?: ReactNode;
  icon?: IconName;
  action?: ReactNode;
}

/** There is nothing, and what to do about it. */
export function Empty({ title, hint, icon = "info", action }: EmptyProps) {
  return (
    <Stack align="center" gap={6} py="lg" px="md">
      <Text c="dimmed" component="span" lh={1}>
        <Icon name={icon} size={28} />
      </Text>
      <Text fw={600} ta="center">
        {title}
      </Text>
      {hint && (
        <Text c="dimmed" size="sm" ta="center" maw={520} component="div">
          {hint}
        </Text>
      )}
      {action}
    </Stack>
  );
}

/** What failed, and a way to try again. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation("app");
  const problem = error instanceof ApiProblem ? error : null;
  const title = error instanceof Offline ? t("error.offline.title") : problem?.document.title;
  return (
    <Alert
      color="red"
      variant="light"
      role="alert"
      icon={<Icon name="error" />}
      title={title || t("error.failed")}
    >
      <Text size="sm" component="div">
        <Sentence error={error} />
      </Text>
      {problem && (
        <Text size="xs" c="dimmed" mt={4}>
          {problem.code}
          {problem.document.requestId ? ` · ${problem.document.requestId}` : ""}
        </Text>
      )}
      {retry && (
        <Button
          mt="sm"
          size="xs"
          variant="default"
          onClick={retry}
          leftSection={<Icon name="refresh" size={14} />}
        >
          {t("action.retry")}
        </Button>
      )}
    </Alert>
  );
}

/** What an error says: in words of the page, with the server's own below. */
export function Sentence({ error }: { error: unknown }) {
  const { t } = useTranslation("app");
  if (error instanceof Offline) return <>{t("error.offline.hint")}</>;
  if (error instanceof ApiProblem) return <ProblemText problem={error} />;
  return <Original text={error instanceof Error ? error.message : String(error)} />;
}

/** Content that is older than it should be: since when, and why. */
export function Stale({ since, retry }: { since: number; retry?: () => void }) {
  const { t } = useTranslation("app");
  const format = useFormat();
  return (
    <Alert color="yellow" variant="light" py={6} role="status" icon={<Icon name="warning" />}>
      <Group justify="space-between" gap="xs">
        <Text size="sm">{t("state.stale", { time: format.clock(since) })}</Text>
        {retry && (
          <Anchor component="button" type="button" size="sm" onClick={retry}>
            {t("action.retry")}
          </Anchor>
        )}
      </Group>
    </Alert>
  );
}

interface AsyncProps<T> {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
  rows?: number;
  isEmpty?: (data: T) => boolean;
  empty?: ReactNode;
}

/** The four states of a query in one place: loading, failed, empty, and shown (stale or not). */
export function Async<T>({ query, children, rows, isEmpty, empty }: AsyncProps<T>) {
  const retry = () => void query.refetch();
  if (query.data === undefined) {
    return query.isError ? <Failed error={query.error} retry={retry} /> : <Loading rows={rows} />;
  }
  if (empty && isEmpty?.(query.data)) return empty;
  return (
    <>
      {query.isError && <Stale since={query.dataUpdatedAt} retry={retry} />}
      {children(query.data)}
    </>
  );
}

interface PanelProps {
  title: string;
  /** What the figures are of, or how to read them. */
  note?: ReactNode;
  /** Links or controls at the right of the title. */
  side?: ReactNode;
  children: ReactNode;
}

/** A box with a heading. */
export function Panel({ title, note, side, children }: PanelProps) {
  return (
    <Paper component="section" withBorder p="md" radius="md" h="100%" aria-label={title}>
      <Group justify="space-between" align="baseline" mb="sm" gap="xs">
        <Title order={2} size="h5">
          {title}
        </Title>
        {side}
      </Group>
      {children}
      {note && (
        <Text size="xs" c="dimmed" mt="sm" component="div">
          {note}
        </Text>
      )}
    </Paper>
  );
}
