import { useTranslation } from "react-i18next";
import type { ApiProblem } from "../api/problem";
import { type Facts, speaksLikeServer, told } from "../lib/told";
import { useFormat } from "./useFormat";

interface ToldProps {
  /** What kind of sentence: `alert`, `condition`, `finding` …. */
  kind: string;
  code: string;
  facts?: Facts;
  /** The server's own sentence, in English. */
  own: string | null | undefined;
}

/** What the server says, in the language of the page; where it has no words, English, folded. */
export function Told({ kind, code, facts = {}, own }: ToldProps) {
  const text = useTold()(kind, code, facts, own);
  return text === null ? <Original text={own} /> : text;
}

/** What the server says as plain text, for a title or a search; null without words for it. */
export function useTold() {
  const format = useFormat();
  useTranslation("app"); // speak anew when the language changes
  return (kind: string, code: string, facts: Facts, own: string | null | undefined) =>
    told(kind, code, facts, own, format);
}

/** The server's English, folded away: people search for it and report it. */
export function Original({ text }: { text: string | null | undefined }) {
  const { t } = useTranslation("app");
  if (!text) return null;
  if (speaksLikeServer()) return <>{text}</>;
  return (
    <details className="original">
      <summary>{t("server.original")}</summary>
      <span lang="en">{text}</span>
    </details>
  );
}

/** What a refused request says: in words of the page first, the server's English folded below. */
export function ProblemText({ problem }: { problem: ApiProblem }) {
  useTranslation("app"); // speak anew when the language changes
  const format = useFormat();
  const own = problem.message;
  if (speaksLikeServer()) return <>{own}</>;
  const { code, title } = problem.document;
  const text = told("problem", code, problem.document, own, format) ?? title;
  return (
    <>
      {text}
      <Original text={own} />
    </>
  );
}
