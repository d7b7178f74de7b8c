import { Tabs } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useUrlState } from "../../lib/urlState";
import { useLive } from "../../lib/useLive";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Channels } from "./Channels";
import { Inbox } from "./Inbox";
import { Rules } from "./Rules";
import { Silences } from "./Silences";

/** What needs somebody, what is silenced, by which rules, and who is told. */
export default function AlertsPage() {
  const { t } = useTranslation("alerts");
  const mayRead = useMay("general.write");
  const [tab, setTab] = useUrlState("tab", "inbox");
  useLive(["alert.*"], ["alerts"]);
  useLive(["notification.*"], ["notifications"]);
  const tabs = ["inbox", "silences", "rules", ...(mayRead ? ["channels"] : [])];
  return (
    <Page title={t("title")} lead={t("lead")}>
      <Tabs value={tab} onChange={(value) => setTab(value ?? "inbox")} keepMounted={false}>
        <Tabs.List mb="md">
          {tabs.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t(`tab.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="inbox">
          <Inbox />
        </Tabs.Panel>
        <Tabs.Panel value="silences">
          <Silences />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <Rules />
        </Tabs.Panel>
        {mayRead && (
          <Tabs.Panel value="channels">
            <Channels />
          </Tabs.Panel>
        )}
      </Tabs>
    </Page>
  );
}
