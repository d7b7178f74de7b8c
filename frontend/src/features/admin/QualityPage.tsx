import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { StateBadge } from "../../ui/StateBadge";
import { Async, Empty, Panel } from "../../ui/states";
import { Told } from "../../ui/Told";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type DeviceVerdict, sourcesQuery, verdictsQuery } from "./api";

/** How far the figures can be trusted: how fresh each source is, which GPUs tell nothing. */
export default function QualityPage() {
  const { t } = useTranslation("admin");
  const verdicts = useQuery(verdictsQuery);
  return (
    <Page title={t("quality.title")} lead={t("quality.lead")}>
      <Stack gap="md">
        <Sources />
        <Panel title={t("quality.devices")} note={t("quality.note")}>
          <Async query={verdicts} rows={6}>
            {(list) => <Verdicts rows={list.rows} />}
          </Async>
        </Panel>
      </Stack>
    </Page>
  );
}

function Sources() {
  const { t } = useTranslation("admin");
  const format = useFormat();
  const sources = useQuery(sourcesQuery);
  return (
    <Async query={sources} rows={3}>
      {(list) => (
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          {list.map((source) => (
            <Figure
              key={source.name}
              label={t(`quality.source.${source.name}`)}
              value={t(`quality.state.${source.state}`)}
              tone={source.state === "fresh" ? "good" : "warn"}
              icon={<Icon name={source.state === "fresh" ? "check" : "warning"} />}
              note={
                <>
                  {source.at ? format.since(source.at) : t("quality.nothing")}
                  {source.known !== null &&
                    ` · ${t("quality.known", {
                      known: format.number(source.known),
                      of: format.number(source.of),
                    })}`}
                </>
              }
            />
          ))}
        </SimpleGrid>
      )}
    </Async>
  );
}

function Verdicts({ rows }: { rows: DeviceVerdict[] }) {
  const { t } = useTranslation("admin");
  const format = useFormat();
  const columns = useMemo<Column<DeviceVerdict>[]>(
    () => [
      {
        id: "deviceId",
        header: t("quality.gpu"),
        value: (row) => row.deviceId,
        cell: (row) => (
          <Link to={`/fleet/gpus/${encodeURIComponent(row.deviceId)}` as never}>
            {row.deviceId}
          </Link>
        ),
      },
      {
        id: "state",
        header: t("state"),
        value: (row) => row.state,
        cell: (row) => <StateBadge state={row.state} />,
      },
      {
        id: "verdict",
        header: t("quality.verdict"),
        value: (row) => row.verdict,
        filter: "values",
        cell: (row) => <StateBadge state={row.verdict} />,
      },
      {
        id: "findings",
        header: t("quality.findings"),
        value: (row) => row.findings.map((one) => one.code).join("; "),
        cell: (row) =>
          row.findings.map((one) => (
            <div key={one.code}>
              <Told kind="finding" code={one.code} facts={one.facts} own={one.message} />
            </div>
          )),
      },
      {
        id: "since",
        header: t("quality.since"),
        value: (row) => row.verdictSince,
        cell: (row) => format.time(row.verdictSince),
      },
    ],
    [t, format],
  );
  return (
    <DataTable
      label={t("quality.devices")}
      rows={rows}
      columns={columns}
      rowKey={(row) => row.deviceId}
      csvHref={apiHref("/api/v1/gpu/metrics/health", { format: "csv" })}
      empty={<Empty title={t("quality.none")} icon="check" />}
    />
  );
}
