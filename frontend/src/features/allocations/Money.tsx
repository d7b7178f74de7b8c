import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Figure } from "../../ui/Figure";
import { useFormat } from "../../ui/useFormat";
import { type AllocationDetail, costQuery } from "./api";

/** Its cost so far, to its end, and when its limit is reached. */
export function Money({ one }: { one: AllocationDetail }) {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const cost = useQuery(costQuery(one.allocationId)).data;
  const behind = `/cost?allocation=${one.allocationId}&window=30d&aggregate=day`;
  return (
    <>
      <Figure
        label={t("money.soFar")}
        value={format.money(cost?.costSoFar ?? one.totalCost)}
        note={cost && t("money.asOf", { time: format.clock(cost.asOf) })}
        to={behind}
      />
      <Figure
        label={t("money.rate")}
        value={format.money(one.costPerHour)}
        unit={t("fits.perHour")}
        note={cost && t("money.hours", { hours: format.number(cost.gpuHours, 2) })}
      />
      <Figure
        label={t("money.projected")}
        value={format.money(cost?.projectedCost ?? null)}
        note={
          one.expiresAt
            ? t("money.until", { time: format.time(one.expiresAt) })
            : t("money.withoutEnd")
        }
      />
      <Figure
        label={t("money.limit")}
        value={format.money(one.costLimit)}
        tone={cost?.limitReachedAt ? "warn" : "plain"}
        note={
          cost?.limitReachedAt
            ? t("money.limitAt", { time: format.time(cost.limitReachedAt) })
            : one.costLimit === null
              ? t("money.noLimit")
              : undefined
        }
      />
    </>
  );
}
