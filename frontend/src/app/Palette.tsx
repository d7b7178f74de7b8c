import { Loader, Modal, ScrollArea, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, listed } from "../api/client";
import { Icon, type IconName } from "../ui/Icon";
import { useSession } from "../ui/session";
import { Sentence } from "../ui/states";
import { menuFor } from "./features";

interface Goal {
  key: string;
  icon: IconName;
  title: string;
  note: string;
  to: string;
}

/** Address of what a search has found, by its kind. */
const PLACES: Record<string, { icon: IconName; to: (id: string) => string }> = {
  node: { icon: "fleet", to: (id) => `/fleet/nodes/${encodeURIComponent(id)}` },
  device: { icon: "gpu", to: (id) => `/fleet/gpus/${encodeURIComponent(id)}` },
  allocation: { icon: "allocations", to: (id) => `/allocations/${encodeURIComponent(id)}` },
  team: { icon: "team", to: (id) => `/cost?team=${encodeURIComponent(id)}` },
};

/** Find any page, node, GPU, allocation, pod or team; the server searches. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation("app");
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const { goals, isSearching, error } = useGoals(text);
  const here = Math.min(at, goals.length - 1);
  const go = (goal: Goal | undefined) => {
    if (!goal) return;
    onClose();
    void navigate({ to: goal.to as never });
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") go(goals[here]);
    if (!step || goals.length === 0) return;
    event.preventDefault();
    setAt((here + step + goals.length) % goals.length);
  };
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      size="lg"
      padding={0}
      yOffset="10vh"
      title={null}
      aria-label={t("shell.search")}
    >
      <TextInput
        data-autofocus
        size="md"
        variant="unstyled"
        px="md"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={pressed}
        placeholder={t("palette.placeholder")}
        aria-label={t("palette.placeholder")}
        role="combobox"
        aria-expanded={goals.length > 0}
        aria-controls="palette-goals"
        aria-activedescendant={goals[here] ? `goal-${here}` : undefined}
        leftSection={<Icon name="search" />}
        rightSection={isSearching ? <Loader size="xs" /> : null}
      />
      <ScrollArea.Autosize mah="50vh" className="palette">
        <div id="palette-goals" role="listbox" aria-label={t("palette.found")}>
          {goals.map((goal, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above handles the keys
            // biome-ignore lint/a11y/useFocusableInteractive: focus stays in the field
            <div
              key={goal.key}
              id={`goal-${index}`}
              role="option"
              aria-selected={index === here}
              className="goal"
              onMouseEnter={() => setAt(index)}
              onClick={() => go(goal)}
            >
              <Icon name={goal.icon} />
              <span>{goal.title}</span>
              <small>{goal.note}</small>
            </div>
          ))}
        </div>
        {goals.length === 0 && !isSearching && (
          <Text c="dimmed" size="sm" p="md" component="div">
            {error ? <Sentence error={error} /> : t("palette.nothing")}
          </Text>
        )}
      </ScrollArea.Autosize>
    </Modal>
  );
}

function useGoals(text: string): { goals: Goal[]; isSearching: boolean; error: unknown } {
  const { t } = useTranslation("app");
  const { permissions } = useSession();
  const [wanted] = useDebouncedValue(text.trim(), 150);
  const search = useQuery({
    queryKey: ["search", wanted],
    queryFn: () =>
      listed(api.GET("/api/v1/gpu/search", { params: { query: { q: wanted, limit: 20 } } })),
    enabled: wanted.length > 0,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
  const pages = useMemo(
    () =>
      menuFor(permissions)
        .flatMap((group) => group.lines)
        .map((line) => ({
          key: `page ${line.path}`,
          icon: line.icon,
          title: t(`${line.feature}:menu.${line.label}`),
          note: t("palette.kind.page"),
          to: line.path,
        })),
    [permissions, t],
  );
  const needle = text.trim().toLowerCase();
  const found = wanted ? (search.data?.rows ?? []) : [];
  const goals = [
    ...pages.filter((page) => page.title.toLowerCase().includes(needle)),
    ...found.flatMap((hit) => {
      const place = PLACES[hit.kind];
      const note = [t(`palette.kind.${hit.kind}`), hit.note].filter(Boolean).join(" · ");
      const key = `${hit.kind} ${hit.id}`;
      return place ? [{ key, icon: place.icon, title: hit.title, note, to: place.to(hit.id) }] : [];
    }),
  ];
  return { goals, isSearching: search.isFetching, error: search.error };
}
