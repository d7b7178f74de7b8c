import { Anchor, Button, Group, SimpleGrid } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Figure } from "../../ui/Figure";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

type Own = NonNullable<Screen["own"]>;

/** What you have: what waits and why, what ends soon, what it costs. */
export function OwnPanel({ own }: { own: Own }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const rows = own.whose === "user" ? "/allocations?whose=mine" : "/allocations?whose=team";
  return (
    <Panel title={t(`own.title.${own.whose}`, { name: own.name })} side={<Actions rows={rows} />}>
      <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} mb="sm">
        <Figure label={t("own.running")} value={format.number(own.running)} to={rows} />
        <Figure label={t("own.waiting")} value={format.number(own.waiting)} to={rows} />
        <Figure
          label={t("own.endsSoon")}
          value={format.number(own.endsSoon)}
          tone={own.endsSoon > 0 ? "warn" : "plain"}
          to={rows}
        />
        <Figure label={t("own.hourly")} value={format.money(own.hourly)} to={rows} />
        <Figure label={t("own.month")} value={format.money(own.month)} to={rows} />
      </SimpleGrid>
      {own.first.length === 0 ? (
        <Empty title={t("own.none")} hint={t("own.noneHint")} icon="allocations" />
      ) : (
        <ul className="plain">
          {own.first.map((one) => (
            <OwnRow key={one.allocationId} one={one} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Actions({ rows }: { rows: string }) {
  const { t } = useTranslation("overview");
  const mayAsk = useMay("allocations.write");
  return (
    <Group gap="sm">
      <Anchor component={Link} to={rows as never} size="sm">
        {t("own.all")}
      </Anchor>
      {mayAsk && (
        <Button component={Link} to={"/allocations/new" as never} size="xs">
          {t("own.ask")}
        </Button>
      )}
    </Group>
  );
}

function OwnRow({ one }: { one: Own["first"][number] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const ends = one.expiresAt ? t("own.ends", { time: format.time(one.expiresAt) }) : t("own.noEnd");
  const facts =
    one.phase === "Pending"
      ? [t("own.since", { since: format.since(one.requestedAt) }), one.message]
      : [one.allocatedResource, ends, one.isIdle && t("own.idle")];
  return (
    <li>
      <Group gap="xs" wrap="nowrap" miw={0}>
        <StateBadge state={one.phase} />
        <Link to={`/allocations/${encodeURIComponent(one.allocationId)}` as never}>
          {one.namespace}/{one.podName}
        </Link>
      </Group>
      <b>{one.costPerHour !== null && t("idle.rate", { rate: format.money(one.costPerHour) })}</b>
      <small>{facts.filter(Boolean).join(" · ")}</small>
    </li>
  );
}
