import {
  ActionIcon,
  SegmentedControl,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useTranslation } from "react-i18next";
import { rememberApiLanguage } from "../api/client";
import { LANGUAGES, type Language, rememberLanguage, speak } from "../lib/i18n";
import { Icon } from "../ui/Icon";

/** Korean or English. */
export function LanguageChoice() {
  const { t, i18n } = useTranslation("app");
  const choose = (value: string) => {
    const language = value as Language;
    rememberLanguage(language);
    rememberApiLanguage(language);
    void speak(language);
  };
  return (
    <SegmentedControl
      size="xs"
      aria-label={t("shell.language")}
      value={i18n.language}
      onChange={choose}
      data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
    />
  );
}

/** Light or dark. */
export function SchemeChoice() {
  const { t } = useTranslation("app");
  const shown = useComputedColorScheme("light");
  const { setColorScheme } = useMantineColorScheme();
  const next = shown === "dark" ? "light" : "dark";
  return (
    <ActionIcon
      title={t(`shell.${next}`)}
      variant="default"
      size="lg"
      aria-label={t(`shell.${next}`)}
      onClick={() => setColorScheme(next)}
    >
      <Icon name={next === "dark" ? "moon" : "sun"} />
    </ActionIcon>
  );
}
