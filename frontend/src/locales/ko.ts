/** Every text in this language: the shell's and each feature's, by namespace. */
import app from "./ko.json";

const found = import.meta.glob<{ default: Record<string, never> }>(
  "../features/*/locales/ko.json",
  { eager: true },
);

const texts: Record<string, object> = { app };
for (const [path, module] of Object.entries(found)) {
  texts[path.split("/")[2] ?? ""] = module.default;
}

export default texts as Record<string, Record<string, never>>;
