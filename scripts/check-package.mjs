// `npm pack` and `npm publish` fail here if something that a user needs has not been built. Writes dist/lib/.npmignore.
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

const prebuilds = new URL('prebuilds/', root);
const targets = existsSync(prebuilds) ? readdirSync(prebuilds) : [];
if (targets.length === 0) missing.push('prebuilds/linux-*');
for (const target of targets) {
  const names = readdirSync(new URL(`${target}/`, prebuilds));
  if (!names.some((name) => name.endsWith('.node'))) missing.push(`prebuilds/${target}/*.node`);
  for (const name of ['caisson-init', 'caisson-archive']) {
    const program = new URL(`${target}/${name}`, prebuilds);
    if (!existsSync(program)) missing.push(`prebuilds/${target}/${name}`);
    else if ((statSync(program).mode & 0o111) === 0)
      missing.push(`${target}/${name}: not executable`);
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
