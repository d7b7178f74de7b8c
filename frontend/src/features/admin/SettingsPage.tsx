import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Page } from "../../ui/Page";
import { Async, Empty } from "../../ui/states";
import { useTold } from "../../ui/Told";
import type { Column } from "../../ui/tableRows";
import { type Setting, settingsQuery } from "./api";

/** What the server is set to, and where each value comes from; secrets are masked by it. */
export default function SettingsPage() {
  const { t } = useTranslation("admin");
  const settings = useQuery(settingsQuery);
  const speak = useSettingWords();
  const columns = useMemo<Column<Setting>[]>(
    () => [
      {
        id: "key",
        header: t("settings.key"),
        value: (row) => `${row.key} ${speak(row) ?? row.description}`,
        cell: (row) => (
          <div className="setting">
            <code>{row.key}</code>
            <Text size="xs" c="dimmed">
              {speak(row)}
            </Text>
          </div>
        ),
      },
      {
        id: "value",
        header: t("settings.value"),
        value: (row) => row.value,
        cell: (row) => <code className="setting">{row.value || "–"}</code>,
      },
      {
        id: "origin",
        header: t("settings.origin"),
        value: (row) => row.origin,
        filter: "values",
        cell: (row) => (row.origin === "default" ? t("settings.default") : <b>{row.origin}</b>),
      },
      {
        id: "env",
        header: t("settings.env"),
        value: (row) => row.env,
        cell: (row) => <code>{row.env}</code>,
        hidden: true,
      },
    ],
    [t, speak],
  );
  return (
    <Page title={t("settings.title")} lead={t("settings.lead")}>
      <Async query={settings} rows={10}>
        {(list) => (
          <DataTable
            label={t("settings.title")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => row.key}
            csvHref={apiHref("/api/v1/admin/settings", { format: "csv" })}
            empty={<Empty title={t("settings.none")} icon="settings" />}
          />
        )}
      </Async>
    </Page>
  );
}

/** What a setting does; an entry of a map, such as `alerts.thresholds[X]`, has the map's words. */
function useSettingWords(): (setting: Setting) => string | null {
  const told = useTold();
  return useMemo(
    () => (one) => told("setting", one.key.replace(/\[.*$/, ""), {}, one.description),
    [told],
  );
}
