import i18next from "i18next";
import { initReactI18next } from "react-i18next";

/** Languages the product speaks, in their own words. */
export const LANGUAGES = { en: "English", ko: "한국어" } as const;
export type Language = keyof typeof LANGUAGES;

const REMEMBERED = "gpu.language";

interface Texts {
  default: Record<string, object>;
  later: Record<string, () => Promise<string>>;
}

/** What the server says, where a language has its own words for it; English is the server's. */
const servers: Partial<Record<Language, () => Promise<{ default: object }>>> = {
  ko: () => import("../locales/server.ko.json"),
};
const loaders: Record<Language, () => Promise<Texts>> = {
  en: () => import("../locales/en"),
  ko: () => import("../locales/ko"),
};
/** Features whose pages were shown: their texts are there in every language that is spoken. */
const shown = new Set<string>();

/** The remembered language, else the browser's where we speak it, else English. */
export function preferredLanguage(): Language {
  const told = [remembered(), ...navigator.languages].filter((one): one is string => Boolean(one));
  const known = told.map((one) => one.slice(0, 2).toLowerCase()).find((one) => one in LANGUAGES);
  return (known as Language | undefined) ?? "en";
}

function remembered(): string | null {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

/** Load a language and show it from now on. */
export async function speak(language: Language): Promise<void> {
  const [texts, server] = await Promise.all([loaders[language](), servers[language]?.()]);
  if (server) i18next.addResourceBundle(language, "server", server.default);
  for (const [namespace, tree] of Object.entries(texts.default)) {
    i18next.addResourceBundle(language, namespace, tree, true, true);
  }
  await Promise.all([...shown].map((feature) => addTexts(texts, language, feature)));
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

/** Load the texts of a feature before its first page is shown. */
export async function speakOf(feature: string): Promise<void> {
  if (shown.has(feature)) return;
  shown.add(feature);
  const language = i18next.language as Language;
  await addTexts(await loaders[language](), language, feature);
}

async function addTexts(texts: Texts, language: Language, feature: string): Promise<void> {
  const read = texts.later[`../features/${feature}/locales/${language}.json`];
  if (!read) return;
  const tree = JSON.parse(await read()) as object;
  i18next.addResourceBundle(language, feature, tree, true, true);
}

/** Remember the choice for the next visit; without storage it lasts until the page is left. */
export function rememberLanguage(language: Language): void {
  try {
    localStorage.setItem(REMEMBERED, language);
  } catch {
    // Private windows may forbid storage: the browser's language comes back next time.
  }
}

/** Start i18next; texts come with `speak`. */
export async function startI18n(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    resources: {},
    defaultNS: "app",
    fallbackNS: "app",
    fallbackLng: false,
    interpolation: { escapeValue: false },
    returnNull: false,
  });
}
