import { Alert, Anchor, Button, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../api/client";
import { ApiProblem } from "../api/problem";
import { appRoot } from "../lib/root";
import { Icon } from "../ui/Icon";
import { Sentence } from "../ui/states";
import { LanguageChoice } from "./Preferences";
import { sessionOf, sessionQuery } from "./sessionQuery";

interface LoginProps {
  /** Back to what everybody may see; absent where that is nothing. */
  onGoOn?: () => void;
}

/** Log in with an API key; the key is sent once and kept nowhere in the browser. */
export default function Login({ onGoOn }: LoginProps) {
  const { t } = useTranslation("app");
  const client = useQueryClient();
  const [key, setKey] = useState("");
  const login = useMutation({
    mutationFn: async (secret: string) =>
      sessionOf(await got(api.POST("/api/v1/session", { body: { key: secret } }))),
    onSuccess: (session) => client.setQueryData(sessionQuery.queryKey, session),
    onSettled: () => setKey(""),
  });
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim()) login.mutate(key.trim());
  };
  return (
    <main className="login">
      <Paper withBorder p="xl" radius="md" component="form" onSubmit={send} w={400} maw="100%">
        <Stack>
          <div>
            <img src={`${appRoot}/ui/logo.svg`} alt="" width={36} height={36} />
            <Title order={1} size="h3">
              k8s-gpu-management
            </Title>
            <Text c="dimmed" size="sm">
              {t("login.lead")}
            </Text>
          </div>
          {login.isError && (
            <Alert color="red" role="alert" icon={<Icon name="error" />}>
              {refusal(login.error, t("login.refused"))}
            </Alert>
          )}
          <PasswordInput
            label={t("login.key")}
            description={t("login.keyHint")}
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
            visibilityToggleButtonProps={{ "aria-label": t("login.show") }}
          />
          <Button type="submit" loading={login.isPending} disabled={!key.trim()}>
            {t("login.send")}
          </Button>
          {onGoOn && (
            <Button variant="default" onClick={onGoOn}>
              {t("login.goOn")}
            </Button>
          )}
          <Anchor href={`${appRoot}/start`} size="sm">
            {t("login.without")}
          </Anchor>
          <LanguageChoice />
        </Stack>
      </Paper>
    </main>
  );
}

function refusal(error: unknown, plain: string): ReactNode {
  if (error instanceof ApiProblem && error.status === 401) return plain;
  return <Sentence error={error} />;
}
