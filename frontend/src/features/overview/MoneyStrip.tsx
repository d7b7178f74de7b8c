import { SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

const WASTEFUL_PCT = 30;

/** What it costs: now, today, this month, at its end, and for nothing. */
export function MoneyStrip({ money, days }: { money: Screen["money"]; days: Screen["days"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const last = days.at(-1)?.day;
  const isWasteful = (money.wastePct ?? 0) >= WASTEFUL_PCT;
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
      <Figure
        label={t("money.today")}
        value={format.money(money.today)}
        note={t("money.todayNote", { rate: format.money(money.hourly) })}
        to="/cost?days=1"
      />
      <Figure
        label={t("money.month")}
        value={format.money(money.month)}
        note={last ? t("money.monthNote", { day: format.date(last) }) : undefined}
        to="/cost?days=30"
      />
      <Figure
        label={t("money.forecast")}
        value={format.money(money.monthForecast)}
        note={t("money.forecastNote")}
        to="/cost?days=30"
      />
      <Figure
        label={t("money.idle")}
        value={format.money(money.idleMonth)}
        note={t("money.idleNote")}
        to="/savings"
      />
      <Figure
        label={t("money.waste")}
        value={format.pct(money.wastePct, 1)}
        note={t("money.wasteNote", { free: format.money(money.freeMonth) })}
        tone={isWasteful ? "warn" : "plain"}
        icon={<Icon name="warning" size={18} />}
        to="/savings"
      />
    </SimpleGrid>
  );
}
