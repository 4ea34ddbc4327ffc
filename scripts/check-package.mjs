// `npm pack` and `npm publish` stop here when something that a user needs has not been built.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const missing = [];
const need = (path) => {
  if (!existsSync(new URL(path, root))) missing.push(path);
};

const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
for (const path of Object.values(manifest.bin)) need(path);
for (const entry of Object.values(manifest.exports)) {
  for (const path of typeof entry === 'string' ? [entry] : Object.values(entry)) need(path);
}
need('dist/lib/bundle/main.cjs');
need('LICENSE');
need('README.md');

const prebuilds = new URL('prebuilds/', root);
const targets = existsSync(prebuilds) ? readdirSync(prebuilds) : [];
if (targets.length === 0) missing.push('prebuilds/linux-*');
for (const target of targets) {
  const names = readdirSync(new URL(`${target}/`, prebuilds));
  if (!names.some((name) => name.endsWith('.node'))) missing.push(`prebuilds/${target}/*.node`);
  const init = new URL(`${target}/caisson-init`, prebuilds);
  if (!existsSync(init)) missing.push(`prebuilds/${target}/caisson-init`);
  else if ((statSync(init).mode & 0o111) === 0)
    missing.push(`${target}/caisson-init: not executable`);
}

if (missing.length > 0) {
  process.stderr.write(
    `check-package: missing ${missing.join(', ')}\n` +
      '`npm run build:ts` makes dist/, `npm run prebuild` makes prebuilds/\n',
  );
  process.exit(1);
}
