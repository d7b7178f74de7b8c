import { Button, Code, CopyButton, Group, Modal, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "../../ui/useFormat";
import type { IssuedApiKey } from "./api";

/** A new secret, shown this once. */
export function Secret({ issued, onClose }: { issued: IssuedApiKey; onClose: () => void }) {
  const { t } = useTranslation("admin");
  const format = useFormat();
  return (
    <Modal
      opened
      onClose={onClose}
      closeOnClickOutside={false}
      title={t("secret.title", { name: issued.name })}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <Stack>
        <Text size="sm">{t("secret.once")}</Text>
        <Code block>{issued.key}</Code>
        {issued.previousUntil && (
          <Text size="sm">{t("secret.old", { time: format.time(issued.previousUntil) })}</Text>
        )}
        <Group justify="flex-end">
          <CopyButton value={issued.key}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {copied ? t("secret.copied") : t("secret.copy")}
              </Button>
            )}
          </CopyButton>
          <Button onClick={onClose}>{t("secret.kept")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
