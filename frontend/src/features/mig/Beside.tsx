import { Anchor, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type PlanDevice, type Screen, someDevicesQuery } from "./api";
import { geometryOf } from "./columns";
import { written } from "./layouts";
import { type Drawn, Strip, StripLegend } from "./Strip";

const AT_ONCE = 20;

/** Each GPU that a plan touches, as it is cut before and after. */
export function Beside({ devices, screen }: { devices: PlanDevice[]; screen: Screen }) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const [shown, setShown] = useState(AT_ONCE);
  const visible = devices.slice(0, shown);
  const asked = useQuery(someDevicesQuery(visible.map((one) => one.deviceId)));
  const known = new Map(asked.data?.rows.map((one) => [one.deviceId, one.geometry]));
  return (
    <Panel title={t("beside.title")} note={t("beside.note")} side={<StripLegend withNew />}>
      {visible.map((device) => {
        const shape = geometryOf(screen.geometries, known.get(device.deviceId));
        return (
          <article key={device.deviceId} className="beside" aria-label={device.deviceId}>
            <header>
              <Anchor component={Link} to={`/mig/gpus/${device.deviceId}` as never} size="sm">
                {device.deviceId}
              </Anchor>
              <Text size="sm" c="dimmed">
                {t("beside.until", { time: format.duration(device.busyUntilSeconds) })}
              </Text>
              {device.fitsWindow === false && <b>{t("beside.late")}</b>}
            </header>
            <Strip label={t("beside.before")} {...shape} slices={device.before.map(before)} />
            <Strip label={t("beside.after")} {...shape} slices={after(device)} />
          </article>
        );
      })}
      {devices.length > shown && (
        <button type="button" className="quiet" onClick={() => setShown(shown + 100)}>
          {t("beside.more", { count: devices.length - shown })}
        </button>
      )}
    </Panel>
  );
}

type PlanSlice = PlanDevice["before"][number];

function before(slice: PlanSlice): Drawn {
  return { ...slice, state: slice.inUse ? "held" : "idle" };
}

function after(device: PlanDevice): Drawn[] {
  const stood = new Set(device.before.map((one) => written([one])));
  return device.after.map((one) =>
    stood.has(written([one])) ? before(one) : { ...one, state: "new" },
  );
}
