// `npm pack` and `npm publish` fail here if something that a user needs has not been built. Writes dist/lib/.npmignore.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
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
for (const name of ['main.cjs', 'library.cjs', 'start.pack']) need(`dist/lib/bundle/${name}`);
need('LICENSE');
need('README.md');

// `--native`: the package of `scripts/prebuild --native`, which is for tests on this machine alone.
const isNative = process.argv.includes('--native');
const addons = isNative ? ['glibc'] : ['glibc', 'musl'];
for (const architecture of isNative ? [process.arch] : ['x64', 'arm64']) {
  const directory = `prebuilds/linux-${architecture}`;
  for (const libc of addons) need(`${directory}/caisson.${libc}.node`);
  for (const name of ['caisson-init', 'caisson-archive']) {
    need(`${directory}/${name}`);
    const program = new URL(`${directory}/${name}`, root);
    if (existsSync(program) && (statSync(program).mode & 0o111) === 0)
      missing.push(`${directory}/${name}: not executable`);
  }
}

// Of what is not packed into dist/lib/bundle, only the declarations that the entries lead to are in the package.
const reached = Object.values(manifest.exports).flatMap(({ types }) =>
  types === undefined ? [] : [posix.normalize(types)],
);
for (const path of reached) {
  need(path);
  const text = existsSync(new URL(path, root)) ? readFileSync(new URL(path, root), 'utf8') : '';
  for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g)) {
    const next = `${posix.join(posix.dirname(path), name)}.d.ts`;
    if (!reached.includes(next)) reached.push(next);
  }
}
const built = existsSync(new URL('dist/lib', root))
  ? readdirSync(new URL('dist/lib', root), { recursive: true, encoding: 'utf8' })
  : [];
const unused = built
  .filter((path) => /\.js$|\.d\.ts$/.test(path) && !reached.includes(`dist/lib/${path}`))
  .sort();
if (built.length > 0)
  writeFileSync(new URL('dist/lib/.npmignore', root), unused.map((path) => `/${path}\n`).join(''));

if (missing.length > 0) {
  process.stderr.write(
    `check-package: missing ${missing.join(', ')}\n` +
      '`npm run build:ts` makes dist/, `npm run prebuild` makes prebuilds/\n',
  );
  process.exit(1);
}
if (!isNative)
  execFileSync(process.execPath, ['scripts/check-prebuilds.mjs'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
