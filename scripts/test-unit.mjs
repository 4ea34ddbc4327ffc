#!/usr/bin/env node
// The unit tests in seconds, from the TypeScript sources and without the native addon: neither is built first, and an addon that
// is there is not loaded. Types are not checked: that is for scripts/build-ts and scripts/lint.
//   npm run test:unit                                     all of them
//   npm run test:unit -- test/unit/base/units.test.ts     these files
//   npm run test:unit -- -g 'text'                        other arguments go to mocha
//   npm run test:watch [-- …]                             then, after each change, those that import what has changed
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { context } = await import('esbuild').catch(() => {
  console.error('test-unit: node_modules is missing: run `npm run setup`, or `npm ci`');
  process.exit(1);
});

/** As deep as dist/, because code finds the package from where it is. */
const OUT = 'dist-unit';
const MOCHA = 'node_modules/mocha/bin/mocha.js';
const MEMORY = '/dev/shm';
const args = process.argv.slice(2);
const watch = args.includes('--watch');
const files = args.filter((arg) => arg.endsWith('.test.ts'));
const rest = args.filter((arg) => arg !== '--watch' && !files.includes(arg));

/** @returns mocha, running the tests of these sources: without arguments of its own, every other file in a second process. */
function start(sources) {
  const tests = sources.map((path) => `${OUT}/${path.replace(/\.ts$/, '.js')}`);
  const lanes = [0, 1]
    .map((lane) => tests.filter((_, index) => index % 2 === lane))
    .filter((lane) => lane.length > 0);
  const support = `./${OUT}/test/support`;
  const command =
    rest.length > 0
      ? [MOCHA, '--reporter', `${support}/dot-reporter.js`, ...rest, ...tests]
      : [`${support}/lanes.js`, 'dot', ...lanes.flatMap((lane) => ['--', ...lane])];
  return spawn(process.execPath, ['--enable-source-maps', ...command], {
    stdio: 'inherit',
    env: {
      ...process.env,
      CAISSON_NATIVE: 'unit-tests-run-without-the-addon',
      CAISSON_TEST_STRIDE: '10',
      // In memory, where there is such a file system: a thousand small files are a second of a disk's time.
      ...(existsSync(MEMORY) ? { TMPDIR: MEMORY } : {}),
    },
  });
}

const allSources = () =>
  ['lib', 'test/unit', 'test/support', 'test/fuzz'].flatMap((room) =>
    readdirSync(room, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => `${room}/${path}`),
  );
const isTest = (path) =>
  files.length > 0 ? files.includes(path) : /^test\/unit\/.*\.test\.ts$/.test(path);

let times = new Map();
/** The tests that are, or import over any number of files, what has changed since the last call. */
function affectedTests() {
  const paths = allSources();
  const before = times;
  times = new Map(paths.map((path) => [path, statSync(path).mtimeMs]));
  const affected = new Set(paths.filter((path) => before.get(path) !== times.get(path)));
  const importers = new Map();
  for (const path of paths)
    for (const [, name] of readFileSync(path, 'utf8').matchAll(/['"](\.{1,2}\/[^'"]+)\.js['"]/g)) {
      const imported = `${posix.join(posix.dirname(path), name)}.ts`;
      importers.set(imported, [...(importers.get(imported) ?? []), path]);
    }
  for (const path of affected)
    for (const importer of importers.get(path) ?? []) affected.add(importer);
  return [...affected].filter(isTest);
}

let running;
/** Runs tests whenever the sources have been compiled, and not those of the sources before. */
const runAgain = {
  name: 'run-again',
  setup(build) {
    build.onEnd(({ errors }) => {
      running?.kill();
      if (errors.length > 0) return;
      const tests = affectedTests();
      running = tests.length > 0 ? start(tests) : undefined;
    });
  },
};

rmSync(OUT, { recursive: true, force: true });
const sources = await context({
  entryPoints: ['lib/**/*.ts', 'test/unit/**/*.ts', 'test/support/**/*.ts', 'test/fuzz/**/*.ts'],
  outdir: OUT,
  outbase: '.',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
  plugins: watch ? [runAgain] : [],
});
if (watch) {
  await sources.watch();
} else {
  await sources.rebuild().catch(() => process.exit(1));
  await sources.dispose();
  const [code] = await once(start(allSources().filter(isTest)), 'exit');
  process.exitCode = code ?? 1;
}
