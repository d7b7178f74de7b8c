import { useTranslation } from "react-i18next";
import { Told } from "./Told";

interface AlertWordsProps {
  /** Name of the rule. */
  name: string;
  part: "summary" | "message";
  facts: { labels: Record<string, string>; value: number | null; threshold: number };
  own: string;
}

/** What an alert says: its summary, or its message with the figures. */
export function AlertWords({ name, part, facts, own }: AlertWordsProps) {
  const { t } = useTranslation("app");
  const { labels, value, threshold } = facts;
  const state = labels.state && t(`state.value.${labels.state}`, { defaultValue: labels.state });
  return (
    <Told
      kind="alert"
      code={`${name} ${part}`}
      facts={{ ...labels, state, value, threshold }}
      own={own}
    />
  );
}
