// `npm pack` and `npm publish` fail here if something that a user needs has not been built.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';

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

// package.json excludes declarations that users cannot import. Those that index.d.ts refers to must not be among them.
const command = ['pack', '--dry-run', '--ignore-scripts', '--json'];
const [{ files }] = JSON.parse(
  execFileSync('npm', command, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }),
);
const packed = new Set(files.map(({ path }) => path));
const declarations = ['dist/lib/index.d.ts'];
for (const path of declarations) {
  if (!packed.has(path)) missing.push(`${path} among the package's files`);
  const text = existsSync(new URL(path, root)) ? readFileSync(new URL(path, root), 'utf8') : '';
  for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g)) {
    const next = posix.join(posix.dirname(path), `${name}.d.ts`);
    if (!declarations.includes(next)) declarations.push(next);
  }
}

if (missing.length > 0) {
  process.stderr.write(
    `check-package: missing ${missing.join(', ')}\n` +
      '`npm run build:ts` makes dist/, `npm run prebuild` makes prebuilds/\n',
  );
  process.exit(1);
}
