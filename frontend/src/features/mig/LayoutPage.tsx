import { Alert, Anchor, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useLive } from "../../lib/useLive";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import { layoutsQuery, screenQuery, someDevicesQuery } from "./api";
import { geometryOf } from "./columns";
import { Editor } from "./Editor";

/** One GPU: how it is cut, and how it could be. */
export default function LayoutPage() {
  const { t } = useTranslation("mig");
  const { deviceId = "" } = useParams({ strict: false }) as { deviceId?: string };
  const screen = useQuery(screenQuery);
  useLive(["mig.*", "allocation.*", "device.*"], ["mig"]);
  const found = useQuery(someDevicesQuery([deviceId]));
  const device = found.data?.rows.find((one) => one.deviceId === deviceId);
  return (
    <Page
      title={t("layout.title", { gpu: deviceId })}
      crumbs={[{ label: t("title"), to: "/mig" }]}
      lead={
        device && (
          <Group gap="xs">
            <StateBadge state={device.state} />
            {device.modelName}
          </Group>
        )
      }
      actions={
        <Anchor component={Link} to={`/fleet/gpus/${deviceId}` as never} size="sm">
          {t("layout.toGpu")}
        </Anchor>
      }
    >
      <Async
        query={found}
        isEmpty={() => device === undefined}
        empty={<Empty title={t("layout.off")} hint={t("layout.offHint")} icon="slices" />}
      >
        {() => (
          <Async query={screen}>
            {({ geometries }) =>
              device && <Known device={device} {...geometryOf(geometries, device.geometry)} />
            }
          </Async>
        )}
      </Async>
    </Page>
  );
}

type KnownProps = Omit<Parameters<typeof Editor>[0], "layouts" | "mayWrite">;

function Known(props: KnownProps) {
  const { t } = useTranslation("mig");
  const mayWrite = useMay("mig.write");
  const isReady = props.device.state === "READY";
  const layouts = useQuery(layoutsQuery(props.device.modelId));
  return (
    <>
      {!mayWrite && (
        <Alert color="gray" variant="light" role="note" icon={<Icon name="info" />}>
          {t("layout.readOnly")}
        </Alert>
      )}
      {mayWrite && !isReady && (
        <Alert color="yellow" variant="light" role="note" icon={<Icon name="warning" />}>
          {t("layout.notReady")}
        </Alert>
      )}
      <Async query={layouts}>
        {(found) => <Editor {...props} layouts={found} mayWrite={mayWrite && isReady} />}
      </Async>
    </>
  );
}
