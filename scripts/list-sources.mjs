// Prints the sources of one part of cpp/sources.json, one per line, for both binding.gyp and CMakeLists.txt.
// `node scripts/list-sources.mjs addon`
// They are linked in this order. In caisson-init what a supervisor uses comes first: the kernel maps 16 pages around each one that is used.
import { readFileSync, readdirSync, existsSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const parts = JSON.parse(readFileSync(new URL('cpp/sources.json', root), 'utf8'));
const directories = parts[process.argv[2]];
if (directories === undefined) {
  process.stderr.write(`list-sources: one of ${Object.keys(parts).join(', ')}\n`);
  process.exit(1);
}
for (const directory of directories) {
  const url = new URL(`cpp/${directory}/`, root);
  if (!existsSync(url)) continue;
  for (const name of readdirSync(url).sort()) {
    if (/\.(cpp|c|S)$/.test(name)) process.stdout.write(`cpp/${directory}/${name}\n`);
  }
}
