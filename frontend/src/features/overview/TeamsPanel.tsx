import { Anchor, Table } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

type Teams = NonNullable<Screen["teams"]>;
type Sums = Pick<Teams["first"][number], "cost" | "usedCost" | "idleCost" | "unattributedCost">;

/** What each team cost this month, and what of it was used: the statement before it is closed. */
export function TeamsPanel({ teams }: { teams: Teams }) {
  const { t } = useTranslation("overview");
  const statement = `/statements/${teams.month}`;
  return (
    <Panel
      title={t("teams.title")}
      note={t("teams.note")}
      side={
        <Anchor component={Link} to={statement as never} size="sm">
          {t("teams.all")}
        </Anchor>
      }
    >
      {teams.first.length === 0 ? (
        <Empty title={t("teams.none")} icon="cost" />
      ) : (
        <Table className="amounts" verticalSpacing={6} horizontalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("teams.team")}</Table.Th>
              <Table.Th ta="right">{t("teams.cost")}</Table.Th>
              <Table.Th ta="right">{t("buckets.used")}</Table.Th>
              <Table.Th ta="right">{t("buckets.idle")}</Table.Th>
              <Table.Th ta="right" visibleFrom="sm">
                {t("buckets.unattributed")}
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {teams.first.map((team) => (
              <Row key={team.teamId ?? ""} sums={team}>
                {team.teamId === null ? (
                  t("teams.nobody")
                ) : (
                  <Anchor
                    component={Link}
                    to={`${statement}/${encodeURIComponent(team.teamId)}` as never}
                    size="sm"
                  >
                    {team.teamId}
                  </Anchor>
                )}
              </Row>
            ))}
            {teams.others && (
              <Row sums={teams.others}>{t("teams.others", { count: teams.others.count })}</Row>
            )}
          </Table.Tbody>
        </Table>
      )}
    </Panel>
  );
}

function Row({ sums, children }: { sums: Sums; children: ReactNode }) {
  const format = useFormat();
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400}>
        {children}
      </Table.Th>
      <Table.Td ta="right" fw={700}>
        {format.money(sums.cost)}
      </Table.Td>
      <Table.Td ta="right">{format.money(sums.usedCost)}</Table.Td>
      <Table.Td ta="right">{format.money(sums.idleCost)}</Table.Td>
      <Table.Td ta="right" visibleFrom="sm">
        {format.money(sums.unattributedCost)}
      </Table.Td>
    </Table.Tr>
  );
}
