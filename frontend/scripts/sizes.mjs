// Prints what a first visit to the overview loads, and fails above the budget of 260 kB of JS.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_KB = 260;
const folder = new URL("../../src/gpu_management/api/dashboard/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8"));
const entryKey = Object.keys(manifest).find((key) => manifest[key].isEntry);
const wanted = [
  entryKey,
  ...Object.keys(manifest).filter((key) =>
    /overview\/OverviewPage|locales\/en\.ts$|ui\/TimeChart|overview\/locales\/en\.json/.test(key),
  ),
];

const files = new Set();
const visit = (key) => {
  const chunk = manifest[key];
  if (!chunk || files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const next of chunk.imports ?? []) visit(next);
};
for (const key of wanted) visit(key);
files.add("ui/boot.js");

const kb = (bytes) => Math.round(bytes / 100) / 10;
const rows = [...files].map((file) => {
  const plain = readFileSync(new URL(file, folder));
  return { file, kb: kb(plain.length), gzip: kb(gzipSync(plain, { level: 9 }).length) };
});
rows.sort((one, other) => other.gzip - one.gzip);
const sum = (ending) =>
  kb(
    rows.filter((row) => row.file.endsWith(ending)).reduce((all, row) => all + row.gzip * 1000, 0),
  );
const total = {
  js_gzip_kb: sum(".js"),
  css_gzip_kb: sum(".css"),
  budget_js_gzip_kb: BUDGET_KB,
  files: rows,
};
if (process.argv.includes("--json")) console.log(JSON.stringify(total, null, 2));
else {
  console.table(rows);
  console.log(
    `first load: ${total.js_gzip_kb} kB JS, ${total.css_gzip_kb} kB CSS (gzip); budget ${BUDGET_KB} kB JS`,
  );
}
if (total.js_gzip_kb > BUDGET_KB) process.exit(1);
