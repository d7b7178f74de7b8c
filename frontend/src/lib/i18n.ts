import i18next from "i18next";
import { initReactI18next } from "react-i18next";

/** Languages the product speaks, in their own words. */
export const LANGUAGES = { en: "English", ko: "한국어" } as const;
export type Language = keyof typeof LANGUAGES;

const REMEMBERED = "gpu.language";

type Tree = { [key: string]: string | Tree };
const loaders: Record<Language, () => Promise<{ default: Record<string, Tree> }>> = {
  en: () => import("../locales/en"),
  ko: () => import("../locales/ko"),
};

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
  const texts = (await loaders[language]()).default;
  for (const [namespace, tree] of Object.entries(texts)) {
    i18next.addResourceBundle(language, namespace, tree, true, true);
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
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
