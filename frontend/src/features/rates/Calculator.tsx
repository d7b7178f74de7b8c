import { NumberInput, SimpleGrid, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { SERIES } from "../../lib/colors";
import { useUrlStates } from "../../lib/urlState";
import { SplitBar } from "../../ui/Bars";
import { Failed, Loading } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type OwnedCost, type OwnedPrice, ownedQuery } from "./api";

const FIELDS = {
  capex: 40_000,
  lifeYears: 3,
  powerKw: 1.2,
  pricePerKwh: 0.1,
  pue: 1.3,
  opexPct: 5,
  usePct: 100,
} as const;
type Name = keyof typeof FIELDS;

/** What an owned GPU must earn an hour; the figures stand in the address. */
export function Calculator() {
  const { t } = useTranslation("rates");
  const [search, setSearch] = useUrlStates();
  const figure = (name: Name) => {
    const told = Number(search[name]);
    return search[name] === undefined || Number.isNaN(told) ? FIELDS[name] : told;
  };
  const [asked] = useDebouncedValue(JSON.stringify(bodyOf(figure)), 300);
  const price = useQuery({
    ...ownedQuery(JSON.parse(asked) as OwnedCost),
    placeholderData: keepPreviousData,
  });
  return (
    <Stack gap="sm">
      <SimpleGrid cols={2} spacing="xs">
        {(Object.keys(FIELDS) as Name[]).map((name) => (
          <NumberInput
            key={name}
            size="xs"
            min={0}
            label={t(`calculator.${name}`)}
            value={figure(name)}
            onChange={(value) => setSearch({ [name]: String(value) })}
          />
        ))}
      </SimpleGrid>
      <div aria-live="polite">
        {price.isError ? (
          <Failed error={price.error} />
        ) : price.data ? (
          <Price price={price.data} />
        ) : (
          <Loading rows={2} />
        )}
      </div>
    </Stack>
  );
}

function bodyOf(figure: (name: Name) => number): OwnedCost {
  return {
    capex: figure("capex"),
    lifeYears: figure("lifeYears"),
    powerKw: figure("powerKw"),
    pricePerKwh: figure("pricePerKwh"),
    pue: figure("pue"),
    loadFactor: 1,
    residualShare: 0,
    opexSharePerYear: figure("opexPct") / 100,
    availability: figure("usePct") / 100,
  };
}

function Price({ price }: { price: OwnedPrice }) {
  const { t } = useTranslation("rates");
  const format = useFormat();
  const parts = (["capital", "energy", "upkeep"] as const).map((name, index) => ({
    label: t(`calculator.${name}`),
    value: price.parts[name],
    color: SERIES[index] ?? SERIES[0],
    shown: format.money(price.parts[name], 4),
  }));
  return (
    <Stack gap="xs">
      <div>
        <Text component="span" className="figure">
          {format.money(price.costPerHour, 4)}
        </Text>{" "}
        <Text span c="dimmed">
          {t("calculator.perHour")}
        </Text>
      </div>
      <SplitBar label={t("calculator.title")} parts={parts} />
    </Stack>
  );
}
