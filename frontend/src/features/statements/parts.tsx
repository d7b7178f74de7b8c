import { Badge, Button, SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { useFormat } from "../../ui/useFormat";
import type { MonthStatement, TeamStatement } from "./api";

/** Whether a month may still change. */
export function MonthState({ status }: { status: string }) {
  const { t } = useTranslation("statements");
  const isClosed = status === "closed";
  return (
    <Badge
      color={isClosed ? "teal" : "yellow"}
      variant="light"
      radius="sm"
      tt="none"
      className="state-badge"
      style={{ maxWidth: "none" }}
      leftSection={<Icon name={isClosed ? "check" : "queue"} size={13} />}
    >
      {isClosed ? t("status.closed") : t("status.open")}
    </Badge>
  );
}

/** The same statement to print, and as CSV. */
export function Papers({ path }: { path: string }) {
  const { t, i18n } = useTranslation("statements");
  return (
    <>
      <Button
        component="a"
        variant="default"
        target="_blank"
        rel="noopener"
        href={apiHref(path, { format: "html", lang: i18n.language })}
        leftSection={<Icon name="statement" size={16} />}
      >
        {t("print")}
      </Button>
      <Button
        component="a"
        variant="default"
        download
        href={apiHref(path, { format: "csv" })}
        leftSection={<Icon name="download" size={16} />}
      >
        CSV
      </Button>
    </>
  );
}

/** What a month or a team's part of it comes to. */
export function Sums({ statement }: { statement: MonthStatement | TeamStatement }) {
  const { t } = useTranslation("statements");
  const format = useFormat();
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure
        label={t("column.total")}
        value={format.money(statement.totalCost, 2)}
        note={t("asOf", { time: format.time(statement.asOf) })}
      />
      <Figure label={t("column.usage")} value={format.money(statement.usageCost, 2)} />
      <Figure
        label={t("column.adjustment")}
        value={format.money(statement.adjustmentCost, 2)}
        note={t("adjustmentNote")}
      />
      <Figure
        label={t("column.hours")}
        value={format.number(statement.gpuHours, 1)}
        note={
          statement.unpricedGpuHours > 0 &&
          t("unpriced", { hours: format.number(statement.unpricedGpuHours, 1) })
        }
      />
    </SimpleGrid>
  );
}
