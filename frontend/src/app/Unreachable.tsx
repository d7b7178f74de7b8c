import { Button, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Offline } from "../api/problem";
import { Icon } from "../ui/Icon";
import { Sentence } from "../ui/states";

/** The server does not answer, or not in a way we understand: shown before anything else can be. */
export function Unreachable({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useTranslation("app");
  const kind = error instanceof Offline ? "offline" : "500";
  return (
    <Stack component="main" align="center" justify="center" mih="100vh" p="lg" role="alert">
      <Icon name="off" size={44} />
      <Title order={1} size="h3">
        {t(`error.${kind}.title`)}
      </Title>
      <Text c="dimmed" ta="center" maw={520}>
        {t(`error.${kind}.hint`)}
      </Text>
      {kind === "500" && (
        <Text size="sm" component="div">
          <Sentence error={error} />
        </Text>
      )}
      <Button onClick={retry}>{t("action.retry")}</Button>
    </Stack>
  );
}
