// A single executable application that is one file: its assets are the files that @vercel/nft has listed.
const { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const sea = require('node:sea');

const directory = mkdtempSync(join(tmpdir(), 'app-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const path of sea.getAssetKeys()) {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, Buffer.from(sea.getRawAsset(path)));
  chmodSync(file, 0o755);
}
const { Engine } = createRequire(join(directory, 'app.js'))('caisson');

async function main() {
  const engine = await Engine.open();
  const { stdout } = await engine.run('host', ['echo', 'works']);
  await engine.close();
  process.stdout.write(stdout);
}
main();
