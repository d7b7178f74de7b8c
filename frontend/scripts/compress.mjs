// Writes a .gz beside each text asset: compressed once here instead of for every request.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const folder = new URL("../../src/gpu_management/api/dashboard/ui/", import.meta.url).pathname;
for (const name of readdirSync(folder)) {
  const file = join(folder, name);
  if (name.endsWith(".map") || /-[\w-]+\.woff$/.test(name)) {
    rmSync(file);
  } else if (/\.(js|css|svg|json)$/.test(name)) {
    const plain = readFileSync(file);
    if (plain.length > 1024) writeFileSync(`${file}.gz`, gzipSync(plain, { level: 9 }));
  }
}
