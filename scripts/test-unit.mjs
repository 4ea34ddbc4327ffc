#!/usr/bin/env node
// The unit tests in seconds, from the TypeScript sources and without the native addon: neither is built first, and an addon that
// is there is not loaded. Types are not checked: that is for scripts/build-ts and scripts/lint.
//   npm run test:unit                                     all of them
//   npm run test:unit -- test/unit/base/units.test.ts     these files
//   npm run test:unit -- -g 'text'                        other arguments go to mocha
//   npm run test:watch [-- …]                             again after each change, until it is interrupted
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { context } = await import('esbuild').catch(() => {
  console.error('test-unit: node_modules is missing: run `npm run setup`, or `npm ci`');
  process.exit(1);
});

/** As deep as dist/, because code finds the package from where it is. */
const OUT = 'dist-unit';
const args = process.argv.slice(2);
const watch = args.includes('--watch');
const files = args.filter((arg) => arg.endsWith('.test.ts'));
const rest = args.filter((arg) => arg !== '--watch' && !files.includes(arg));
const tests =
  files.length > 0
    ? files.map((file) => `${OUT}/${file.replace(/\.ts$/, '.js')}`)
    : [`${OUT}/test/unit/**/*.test.js`];

/** @returns mocha, running. */
function start() {
  const mocha = [
    'node_modules/mocha/bin/mocha.js',
    '--reporter',
    `./${OUT}/test/support/dot-reporter.js`,
    ...rest,
    ...tests,
  ];
  return spawn(process.execPath, ['--enable-source-maps', ...mocha], {
    stdio: 'inherit',
    env: {
      ...process.env,
      CAISSON_NATIVE: 'unit-tests-run-without-the-addon',
      CAISSON_TEST_STRIDE: '10',
    },
  });
}

let running;
/** Runs the tests whenever the sources have been compiled, and not those of the sources before. */
const runAgain = {
  name: 'run-again',
  setup(build) {
    build.onEnd(({ errors }) => {
      running?.kill();
      if (errors.length === 0) running = start();
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
  const [code] = await once(start(), 'exit');
  process.exitCode = code ?? 1;
}
