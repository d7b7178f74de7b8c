import i18next from "i18next";
import { Format } from "./format";

/** What a sentence of the server is about: numbers, names, moments. */
export type Facts = Readonly<Record<string, unknown>>;
type Texts = Record<string, Record<string, string>>;

const GAP = /\{\{(\w+)(?:\|(\w+))?\}\}/g;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

/**
 * What the server says, in the language of the page, made of its code and its facts.
 *
 * The server writes English, which is `own`. Other languages have their sentences in
 * `locales/server.<language>.json`. Null: there is none for this code, or a fact of it is missing.
 */
export function told(
  kind: string,
  code: string,
  facts: Facts,
  own: string | null | undefined,
  format: Format = plainFormat(),
): string | null {
  const texts = serverTexts();
  if (texts === undefined) return own ?? null;
  const text = texts[kind]?.[code];
  return text === undefined ? null : filled(text, facts, format);
}

/** Whether the server's own sentences are in the language of the page. */
export function speaksLikeServer(): boolean {
  return serverTexts() === undefined;
}

function serverTexts(): Texts | undefined {
  if (!i18next.isInitialized) return undefined;
  return i18next.getResourceBundle(i18next.language, "server") as Texts | undefined;
}

/** A text with its gaps filled in: `{{spent|money}}`; null where a fact is missing. */
export function filled(text: string, facts: Facts, format: Format): string | null {
  let isWhole = true;
  const done = text.replace(GAP, (_gap, name: string, how?: string) => {
    const value = facts[name];
    if (value === null || value === undefined) isWhole = false;
    return shown(value, how, format);
  });
  return isWhole ? done : null;
}

function shown(value: unknown, how: string | undefined, format: Format): string {
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "string") return MOMENT.test(value) ? format.time(value) : value;
  if (typeof value !== "number") return String(value);
  if (how === "money") return format.money(value);
  if (how === "ratio") return format.ratio(value);
  if (how === "duration") return format.duration(value);
  if (how === "gpus") return format.gpus(value);
  return format.number(value, 2);
}

function plainFormat(): Format {
  return new Format({ locale: i18next.language, currency: "USD", timeZone: "UTC" });
}
