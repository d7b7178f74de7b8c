import { Alert, Button, Grid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../../lib/useLive";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Panel } from "../../ui/states";
import { ratesQuery, type Unpriced, unpricedQuery } from "./api";
import { Calculator } from "./Calculator";
import { NewRate } from "./NewRate";
import { RateTable } from "./RateTable";

/** What a card, a slice or a share costs, since when and until when. */
export default function RatesPage() {
  const { t } = useTranslation("rates");
  const mayWrite = useMay("rates.write");
  const rates = useQuery(ratesQuery);
  const unpriced = useQuery(unpricedQuery);
  const [isOpen, setOpen] = useState(false);
  useLive(["rate.*"], ["rates"]);
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        mayWrite && (
          <Button leftSection={<Icon name="plus" />} onClick={() => setOpen(true)}>
            {t("new.open")}
          </Button>
        )
      }
    >
      <Stack gap="md">
        <WithoutPrice rows={unpriced.data?.rows ?? []} />
        <Grid gap="md">
          <Grid.Col span={{ base: 12, xl: 8 }}>
            <Async query={rates} rows={10}>
              {(list) => <RateTable rates={list.rows} mayWrite={mayWrite} />}
            </Async>
          </Grid.Col>
          <Grid.Col span={{ base: 12, xl: 4 }}>
            <div>
              <Panel title={t("calculator.title")} note={t("calculator.note")}>
                <Calculator />
              </Panel>
            </div>
          </Grid.Col>
        </Grid>
      </Stack>
      {isOpen && <NewRate rates={rates.data?.rows ?? []} onClose={() => setOpen(false)} />}
    </Page>
  );
}

function WithoutPrice({ rows }: { rows: Unpriced[] }) {
  const { t } = useTranslation("rates");
  if (rows.length === 0) return null;
  return (
    <Alert
      color="yellow"
      variant="light"
      icon={<Icon name="warning" />}
      title={t("unpriced.title")}
    >
      {rows.map((row) => (
        <div key={`${row.modelId} ${row.profileName} ${row.clusterName} ${row.nodePool}`}>
          {t("unpriced.row", {
            what: [row.modelId, row.profileName].filter(Boolean).join(" "),
            shown: row.count,
            where: row.nodePool ?? row.clusterName,
          })}
        </div>
      ))}
    </Alert>
  );
}
