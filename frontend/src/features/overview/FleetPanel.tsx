import { Anchor } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { HeatLegend } from "../../ui/HeatLegend";
import { type HeatCell, HeatMap } from "../../ui/HeatMap";
import { Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";
import { deviceName } from "./names";

/** Every GPU, by node: how busy it is, whether it is free or down. */
export function FleetPanel({ nodes }: { nodes: Screen["nodes"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const navigate = useNavigate();
  const groups = useMemo(
    () =>
      nodes.map((node) => ({
        label: node.nodeName,
        cells: node.indexes.map((index, at): HeatCell => {
          const state = node.states[at] ?? "READY";
          const busy = node.utilization[at] ?? null;
          const held = node.heldMilli[at] ?? 0;
          const isDown = state !== "READY";
          const what = isDown
            ? t(`app:state.value.${state}`)
            : held === 0
              ? t("app:heat.free")
              : busy === null
                ? t("app:heat.unknown")
                : t("heat.busy", { busy: format.pct(busy), held: format.ratio(held / 1000) });
          const text = `${node.modelId} · GPU ${index} · ${what}`;
          return { value: busy === null ? null : busy / 100, isDown, isFree: held === 0, text };
        }),
      })),
    [nodes, t, format],
  );
  const open = (group: number, cell: number) => {
    const node = nodes[group];
    const index = node?.indexes[cell];
    if (!node || index === undefined) return;
    const name = encodeURIComponent(deviceName(node.nodeName, index));
    void navigate({ to: `/fleet/gpus/${name}` as never });
  };
  return (
    <Panel
      title={t("heat.title")}
      side={
        <Anchor component={Link} to={"/fleet" as never} size="sm">
          {t("heat.all")}
        </Anchor>
      }
    >
      <HeatMap label={t("heat.title")} groups={groups} onChoose={open} maxHeight={440} />
      <HeatLegend />
    </Panel>
  );
}
