import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCES = join(import.meta.dirname, "..");
const FEATURES = join(SOURCES, "features");
const PLURALS = /_(zero|one|two|few|many|other)$/;

type Tree = { [key: string]: string | Tree };

function keysOf(tree: Tree, prefix = ""): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string" ? [prefix + key] : keysOf(value, `${prefix}${key}.`),
  );
}

function read(folder: string, language: string): Tree {
  return JSON.parse(readFileSync(join(folder, `${language}.json`), "utf8")) as Tree;
}

/** Keys without the ending that tells plurals apart: Korean has one form, English two. */
function plain(tree: Tree): Set<string> {
  return new Set(keysOf(tree).map((key) => key.replace(PLURALS, "")));
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file) && !/\.test\./.test(file))
    .map((file) => readFileSync(join(folder, file), "utf8"));
}

/** Keys written as literals in `t("…")`, with their namespace when they name one. */
function literals(sources: string[]): string[] {
  return sources.flatMap((text) =>
    [...text.matchAll(/\bt\(\s*"([^"$]+)"/g)].map((match) => match[1] ?? ""),
  );
}

const features = readdirSync(FEATURES);
const namespaces: [string, string][] = [
  ["app", join(SOURCES, "locales")],
  ...features.map((name): [string, string] => [name, join(FEATURES, name, "locales")]),
];
const known = new Map(namespaces.map(([name, folder]) => [name, plain(read(folder, "en"))]));

describe.each(namespaces)("texts of %s", (name, folder) => {
  it("are the same in Korean and English", () => {
    const [english, korean] = [plain(read(folder, "en")), plain(read(folder, "ko"))];
    expect([...english].filter((key) => !korean.has(key))).toEqual([]);
    expect([...korean].filter((key) => !english.has(key))).toEqual([]);
  });

  it("say something, with the same values filled in", () => {
    const [english, korean] = [read(folder, "en"), read(folder, "ko")];
    const gaps = (text: string) => new Set(text.match(/\{\{\w+\}\}/g) ?? []);
    for (const key of keysOf(korean)) {
      const told = key
        .split(".")
        .reduce<string | Tree>((at, part) => (at as Tree)[part] ?? "", korean);
      expect(String(told).trim(), key).not.toBe("");
      const other = key
        .split(".")
        .reduce<string | Tree>((at, part) => (at as Tree)[part] ?? "", english);
      if (typeof other === "string" && other) expect(gaps(String(told)), key).toEqual(gaps(other));
    }
  });

  it("have every key that the code writes", () => {
    const code =
      name === "app"
        ? ["app", "ui", "lib"].flatMap((part) => sourcesIn(join(SOURCES, part)))
        : sourcesIn(join(FEATURES, name));
    const missing = literals(code).filter((key) => {
      const [space, rest] = key.includes(":") ? key.split(":") : [name, key];
      return !known.get(space ?? "")?.has(rest ?? "");
    });
    expect(missing).toEqual([]);
  });
});
