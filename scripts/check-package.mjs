// `npm pack` and `npm publish` fail here if something that a user needs has not been built. Writes dist/lib/.npmignore.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const missing = [];
const need = (path) => {
  if (!existsSync(new URL(path, root))) missing.push(path);
};

const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
for (const path of Object.values(manifest.bin)) need(path);
const entries = Object.values(manifest.exports).flatMap((entry) =>
  typeof entry === 'string' ? [entry] : Object.values(entry),
);
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

// What is packed into dist/lib/bundle is not there twice; scripts/build-ts has written the declarations.
if (existsSync(new URL('dist/declarations', root))) {
  const modules = readdirSync(new URL('dist/lib', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .sort();
  writeFileSync(new URL('dist/lib/.npmignore', root), modules.map((path) => `/${path}\n`).join(''));
}
for (const path of entries) need(path);

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
