import { Button, Group, Select, Stack, Switch, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useUrlState } from "../../lib/urlState";
import { Panel } from "../../ui/states";
import { tell, tellFailure } from "../../ui/toast";
import { applyLayout, type ScreenDevice } from "./api";
import { Change } from "./Change";
import { Drawing } from "./Drawing";
import {
  additions,
  counted,
  holding,
  inOrder,
  isLegal,
  isOrdinary,
  type Place,
  profilesOf,
  read,
  written,
} from "./layouts";

interface EditorProps {
  device: ScreenDevice;
  units: number;
  sizes: Readonly<Record<string, number>>;
  /** The layouts to which nothing can be added. */
  layouts: Place[][];
  mayWrite: boolean;
}

const place = ({ profile, start }: Place): Place => ({ profile, start });

/** Draw a layout out of legal places only; slices in use stay. */
export function Editor({ device, units, sizes, layouts, mayWrite }: EditorProps) {
  const { t } = useTranslation("mig");
  const [text, setText] = useUrlState("layout");
  const standing = device.slices.map(place);
  const inUse = device.slices.filter((one) => one.isHeld).map(place);
  const drawn = drawnFrom(text, standing, inUse, layouts);
  const isChanged = written(drawn) !== written(standing);
  const set = (places: Place[]) => {
    const next = written(places);
    setText(next === written(standing) ? "" : next);
  };
  const shared = { units, sizes, device };
  return (
    <>
      <Panel title={t("layout.now")}>
        <Drawing {...shared} label={t("layout.now")} places={standing} />
      </Panel>
      <Panel
        title={t("layout.proposed")}
        note={t("layout.note")}
        side={
          isChanged && (
            <Button size="compact-xs" variant="default" onClick={() => setText("")}>
              {t("layout.reset")}
            </Button>
          )
        }
      >
        <Stack gap="md">
          <Drawing
            {...shared}
            label={t("layout.proposed")}
            places={drawn}
            onRemove={
              mayWrite
                ? (gone) => set(drawn.filter((one) => written([one]) !== written([gone])))
                : undefined
            }
          />
          {mayWrite && (
            <>
              <Offers {...shared} layouts={layouts} drawn={drawn} onAdd={set} />
              <Fill layouts={holding(layouts, inUse)} onFill={set} />
            </>
          )}
        </Stack>
      </Panel>
      {isChanged && mayWrite && (
        <Change
          device={device}
          places={drawn}
          apply={<Apply device={device} places={drawn} onDone={() => setText("")} />}
        />
      )}
    </>
  );
}

/** What the address asks for with what is in use; what stands where that is not legal (any more). */
function drawnFrom(text: string, standing: Place[], inUse: Place[], layouts: Place[][]): Place[] {
  if (!text) return inOrder(standing);
  const there = new Set(inUse.map((one) => written([one])));
  const added = read(text).filter((one) => !there.has(written([one])));
  const drawn = inOrder([...inUse, ...added]);
  return isLegal(layouts, drawn) ? drawn : inOrder(standing);
}

interface OffersProps {
  units: number;
  sizes: Readonly<Record<string, number>>;
  layouts: Place[][];
  drawn: Place[];
  onAdd: (places: Place[]) => void;
}

/** Each profile with the places where it may still be cut. */
function Offers({ units, sizes, layouts, drawn, onAdd }: OffersProps) {
  const { t } = useTranslation("mig");
  const [isAll, setAll] = useState(false);
  const offered = additions(layouts, drawn);
  const names = profilesOf(layouts, sizes).filter((name) => isAll || isOrdinary(name));
  if (offered.size === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t("layout.full")}
      </Text>
    );
  }
  return (
    <section aria-label={t("layout.offers")}>
      <div className="offers">
        {names.map((name) => (
          <Offer
            key={name}
            name={name}
            units={units}
            size={sizes[name] ?? 1}
            starts={offered.get(name) ?? []}
            onAdd={(start) => onAdd([...drawn, { profile: name, start }])}
          />
        ))}
      </div>
      <Switch
        mt="sm"
        size="xs"
        label={t("layout.all")}
        checked={isAll}
        onChange={(event) => setAll(event.currentTarget.checked)}
      />
    </section>
  );
}

interface OfferProps {
  name: string;
  units: number;
  size: number;
  starts: number[];
  onAdd: (start: number) => void;
}

function Offer({ name, units, size, starts, onAdd }: OfferProps) {
  const { t } = useTranslation("mig");
  return (
    <>
      <b>{name}</b>
      <div className="places" style={{ gridTemplateColumns: `repeat(${units}, minmax(0, 1fr))` }}>
        {starts.map((start) => (
          <button
            key={start}
            type="button"
            style={{ gridColumn: `${start + 1} / span ${size}` }}
            aria-label={t("layout.add", { profile: name, start })}
            onClick={() => onAdd(start)}
          >
            + {start}
          </button>
        ))}
      </div>
    </>
  );
}

function Fill({ layouts, onFill }: { layouts: Place[][]; onFill: (places: Place[]) => void }) {
  const { t } = useTranslation("mig");
  const ordinary = layouts.filter((one) => one.every(({ profile }) => isOrdinary(profile)));
  const known = new Map(ordinary.map((one) => [written(one), one]));
  if (known.size < 2) return null;
  return (
    <Select
      maw={520}
      searchable
      label={t("layout.fill")}
      description={t("layout.fillHint", { count: known.size })}
      value={null}
      data={[...known].map(([value, one]) => ({ value, label: told(one) }))}
      onChange={(value) => {
        const found = value ? known.get(value) : undefined;
        if (found) onFill(found);
      }}
    />
  );
}

function told(layout: Place[]): string {
  const counts = counted(layout).map(([name, count]) => `${count} × ${name}`);
  return `${counts.join(" + ")} (${inOrder(layout)
    .map((one) => one.start)
    .join(", ")})`;
}

interface ApplyProps {
  device: ScreenDevice;
  places: Place[];
  onDone: () => void;
}

function Apply({ device, places, onDone }: ApplyProps) {
  const { t } = useTranslation("mig");
  const client = useQueryClient();
  const apply = useMutation({
    mutationFn: () => applyLayout(device.deviceId, places, false),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["mig"] });
      void client.invalidateQueries({ queryKey: ["devices"] });
      tell(t("layout.done", { gpu: device.deviceId }));
      onDone();
    },
    onError: (error) => tellFailure(t("layout.failed", { gpu: device.deviceId }), error),
  });
  return (
    <Group justify="flex-end">
      <Button loading={apply.isPending} onClick={() => apply.mutate()}>
        {t("layout.apply")}
      </Button>
    </Group>
  );
}
