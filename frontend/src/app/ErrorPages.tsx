import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiProblem, Offline } from "../api/problem";
import { Icon, type IconName } from "../ui/Icon";
import { Sentence } from "../ui/states";

type Kind = "403" | "404" | "500" | "offline";
const ICONS: Record<Kind, IconName> = { 403: "key", 404: "search", 500: "error", offline: "off" };

interface ErrorPageProps {
  kind: Kind;
  /** What went wrong, in words. */
  detail?: ReactNode;
  retry?: () => void;
}

/** A whole page saying what is wrong, and what to do now. */
export function ErrorPage({ kind, detail, retry }: ErrorPageProps) {
  const { t } = useTranslation("app");
  return (
    <Stack align="center" justify="center" mih="60vh" p="lg" role="alert">
      <Icon name={ICONS[kind]} size={44} />
      <Title order={1} size="h3" ta="center">
        {t(`error.${kind}.title`)}
      </Title>
      <Text c="dimmed" ta="center" maw={560}>
        {t(`error.${kind}.hint`)}
      </Text>
      {detail && (
        <Text size="sm" ta="center" maw={560} component="div">
          {detail}
        </Text>
      )}
      <Group>
        {retry && <Button onClick={retry}>{t("action.retry")}</Button>}
        <Button component={Link} to="/" variant="default">
          {t("action.home")}
        </Button>
      </Group>
    </Stack>
  );
}

/** Nothing lives at this address. */
export function NotFoundPage() {
  return <ErrorPage kind="404" />;
}

/** What a page shows when it breaks: which of our errors it was. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const kind = kindOf(error);
  return <ErrorPage kind={kind} detail={<Sentence error={error} />} retry={reset} />;
}

function kindOf(error: unknown): Kind {
  if (error instanceof Offline) return "offline";
  if (error instanceof ApiProblem && error.status === 403) return "403";
  if (error instanceof ApiProblem && error.status === 404) return "404";
  return "500";
}
