import { Button, Group, NumberInput, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got, type Schemas } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { Page } from "../../ui/Page";
import { Failed, Panel } from "../../ui/states";
import { tell } from "../../ui/toast";
import { modelsQuery } from "./api";

const EMPTY = {
  nodeName: "",
  deviceIndex: 0,
  modelId: "",
  uuid: "",
  pciBusId: "",
  serialNumber: "",
};

/** A form that adds a GPU; its node is made with its first one. */
export default function RegisterPage() {
  const { t } = useTranslation("fleet");
  const navigate = useNavigate();
  const client = useQueryClient();
  const models = useQuery(modelsQuery);
  const [form, setForm] = useState(EMPTY);
  const [isMig, setMig] = useState(false);
  const model = models.data?.rows.find((one) => one.modelId === form.modelId);
  const register = useMutation({
    mutationFn: () => got(api.POST("/api/v1/gpu/devices", { body: bodyOf(form, isMig) })),
    onSuccess: (device) => {
      tell(t("register.done", { gpu: device.deviceId }));
      void client.invalidateQueries({ queryKey: ["devices"] });
      void client.invalidateQueries({ queryKey: ["nodes"] });
      void navigate({ to: `/fleet/gpus/${device.deviceId}` as never });
    },
  });
  const errors = register.error instanceof ApiProblem ? register.error.fieldErrors : {};
  const text = (key: "nodeName" | "uuid" | "pciBusId" | "serialNumber") => ({
    value: form[key],
    error: errors[key],
    onChange: (event: FormEvent<HTMLInputElement>) =>
      setForm({ ...form, [key]: event.currentTarget.value }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    register.mutate();
  };
  return (
    <Page title={t("register.title")} crumbs={[{ label: t("title"), to: "/fleet" }]}>
      <Panel title={t("register.title")} note={t("register.note")}>
        <form onSubmit={submit}>
          <Stack maw={520}>
            {register.isError && <Failed error={register.error} />}
            <TextInput
              required
              label={t("col.node")}
              placeholder="gpu-node-01"
              {...text("nodeName")}
            />
            <NumberInput
              required
              label={t("device.index")}
              min={0}
              max={127}
              allowDecimal={false}
              value={form.deviceIndex}
              error={errors.deviceIndex}
              onChange={(value) => setForm({ ...form, deviceIndex: Number(value) || 0 })}
            />
            <Select
              required
              searchable
              label={t("col.model")}
              error={errors.modelId}
              nothingFoundMessage={t("register.noModel")}
              data={(models.data?.rows ?? []).map((one) => ({
                value: one.modelId,
                label: `${one.modelName} (${one.memoryGb} GB)`,
              }))}
              value={form.modelId || null}
              onChange={(modelId) => setForm({ ...form, modelId: modelId ?? "" })}
            />
            {model?.migSupport && (
              <Switch
                label={t("register.mig")}
                checked={isMig}
                onChange={(event) => setMig(event.currentTarget.checked)}
              />
            )}
            <TextInput label={t("col.uuid")} placeholder="GPU-…" {...text("uuid")} />
            <TextInput label={t("col.pci")} placeholder="0000:3b:00.0" {...text("pciBusId")} />
            <TextInput label={t("device.serial")} {...text("serialNumber")} />
            <Group>
              <Button type="submit" loading={register.isPending} disabled={!form.modelId}>
                {t("register.send")}
              </Button>
            </Group>
          </Stack>
        </form>
      </Panel>
    </Page>
  );
}

function bodyOf(form: typeof EMPTY, isMig: boolean): Schemas["DeviceCreate"] {
  const told = Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ""));
  return { ...(told as typeof EMPTY), migEnabled: isMig };
}
