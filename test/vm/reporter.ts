/**
 * Mocha's usual report, and one line for each finished test file that scripts/record-platform.mjs reads, so that the
 * results of a run that is stopped by its time limit are recorded too.
 */
import { relative, resolve } from 'node:path';
import SkipReporter from '../support/reporter.js';
import { sampled } from '../support/sample.js';

/** The parent of what the lines name: `exec`, `hardening/limits`. */
const directory = resolve(import.meta.dirname, '../integration');

const tally = { file: '', passed: 0, skipped: 0, failed: 0 };

function tell(): void {
  const { file, passed, skipped, failed } = tally;
  if (passed + skipped + failed > 0)
    console.log(
      `tally: ${relative(directory, file).replace(/\.test\.js$/, '')} ${passed} ${skipped} ${failed} ${sampled.taken}/${sampled.of}`,
    );
  Object.assign(tally, { passed: 0, skipped: 0, failed: 0 });
  Object.assign(sampled, { taken: 0, of: 0 });
}

// Mocha takes the default export of a file.
// eslint-disable-next-line no-restricted-syntax
export default class Reporter extends SkipReporter {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.on('suite', ({ file }: Mocha.Suite) => {
      if (file === undefined || file === tally.file) return;
      tell();
      tally.file = file;
    });
    runner.on('pass', () => tally.passed++);
    runner.on('pending', () => tally.skipped++);
    runner.on('fail', (_, error: Error) => {
      tally.failed++;
      // The run may be stopped before it comes to what has failed.
      console.log(`        ${error.stack ?? error.message}`);
    });
    runner.once('end', tell);
  }
}
