/** What is needed at once in this language: the shell's texts, and what stands in the menu. */
import app from "./en.json";

const menus = import.meta.glob<object>("../features/*/locales/en.json", {
  eager: true,
  import: "menu",
});

const texts: Record<string, object> = { app };
for (const [path, menu] of Object.entries(menus)) texts[path.split("/")[2] ?? ""] = { menu };

export default texts;

/** The rest of each feature's texts, read when its first page is shown. */
export const later = import.meta.glob<string>("../features/*/locales/en.json", {
  query: "?raw",
  import: "default",
});
