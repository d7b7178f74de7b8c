import { SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

/** From what there is to what is made of it, each step with its share of the one before. */
export function FunnelPanel({ screen }: { screen: Screen }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const { funnel, devicesByStatus } = screen;
  const down = funnel.totalMilli - funnel.healthyMilli;
  const share = (part: number | null, whole: number) =>
    part === null || whole === 0 ? null : format.ratio(part / whole);
  const measured = share(funnel.measuredMilli, funnel.allocatedMilli);
  const active = share(funnel.activeMilli, funnel.measuredMilli);
  const effective = share(funnel.effectiveMilli, funnel.measuredMilli);
  const failed = devicesByStatus.FAILED ?? 0;
  const unmeasured = t("funnel.unmeasured");
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
      <Figure
        label={t("funnel.total")}
        value={format.gpus(funnel.totalMilli)}
        unit="GPU"
        note={t("funnel.totalNote", {
          count: screen.activeAllocations,
          shown: format.number(screen.activeAllocations),
        })}
        to="/fleet"
      />
      <Figure
        label={t("funnel.healthy")}
        value={format.gpus(funnel.healthyMilli)}
        unit={share(funnel.healthyMilli, funnel.totalMilli) ?? ""}
        note={t("funnel.healthyNote", { down: format.gpus(down), failed: format.number(failed) })}
        tone={failed > 0 ? "warn" : "plain"}
        icon={<Icon name="warning" size={18} />}
        to="/fleet?view=gpus&f.status=FAILED"
      />
      <Figure
        label={t("funnel.allocated")}
        value={format.gpus(funnel.allocatedMilli)}
        unit={share(funnel.allocatedMilli, funnel.healthyMilli) ?? ""}
        note={t("funnel.allocatedNote", {
          free: format.gpus(funnel.healthyMilli - funnel.allocatedMilli),
        })}
        to="/allocations"
      />
      <Figure
        label={t("funnel.active")}
        value={format.gpus(funnel.activeMilli)}
        unit={active ?? ""}
        note={
          measured && funnel.activeMilli !== null
            ? t("funnel.activeNote", { measured })
            : unmeasured
        }
        to="/savings"
      />
      <Figure
        label={t("funnel.effective")}
        value={format.gpus(funnel.effectiveMilli)}
        unit={effective ?? ""}
        note={funnel.effectiveMilli === null ? unmeasured : t("funnel.effectiveNote")}
        to="/savings"
      />
    </SimpleGrid>
  );
}
