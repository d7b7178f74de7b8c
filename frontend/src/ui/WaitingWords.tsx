import { useTranslation } from "react-i18next";
import { type Facts, speaksLikeServer } from "../lib/told";
import { Original, useTold } from "./Told";

interface WaitingWordsProps {
  /** What the server's sentence is made of. */
  decision: Facts | null | undefined;
  own: string | null | undefined;
}

/** Why a request waits, or would not fit now: the place in the line, and what is lacking. */
export function WaitingWords({ decision, own }: WaitingWordsProps) {
  const { t } = useTranslation("app");
  const told = useTold();
  if (speaksLikeServer()) return <>{own}</>;
  const facts = decision ?? {};
  const lacks = lacksOf(facts).map(
    (one) => `${t(`lack.${one.reason}`, { defaultValue: one.reason })} ${one.devices}`,
  );
  const parts = [
    told("waiting", "LINE", facts, null),
    told("waiting", String(facts.code ?? ""), facts, null),
    told("waiting", "LARGEST_MEMORY", facts, null),
    told("waiting", "LARGEST_PROFILE", facts, null),
    lacks.length > 0 ? told("waiting", "LACKS", { lacks }, null) : null,
  ].filter((part) => part !== null);
  return parts.length > 0 ? parts.join(" ") : <Original text={own} />;
}

function lacksOf(facts: Facts): { reason: string; devices: number }[] {
  const told = Array.isArray(facts.refusals) ? (facts.refusals as Record<string, unknown>[]) : [];
  return told
    .map((one) => ({ reason: String(one.reason), devices: Number(one.devices ?? 0) }))
    .sort((one, other) => other.devices - one.devices);
}
