import { SimpleGrid } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { useLive } from "../../lib/useLive";
import { Figure } from "../../ui/Figure";
import { Page } from "../../ui/Page";
import { Async } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";

const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: () => got(api.GET("/api/v1/gpu/overview")),
});

/** The fleet in one screen. */
export default function OverviewPage() {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const overview = useQuery(overviewQuery);
  useLive(["*"], ["overview"]);
  return (
    <Page title={t("title")}>
      <Async query={overview}>
        {(fleet) => (
          <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
            <Figure
              label={t("funnel.total")}
              value={format.number(fleet.totalDevices)}
              to="/fleet"
            />
            <Figure label={t("money.today")} value={format.money(fleet.dailyCost)} to="/cost" />
          </SimpleGrid>
        )}
      </Async>
    </Page>
  );
}
