/** Reporters that print how many tests were skipped and why, before the usual summary. */
import { skipReason } from './skip.js';

type ReporterClass = new (
  runner: Mocha.Runner,
  options: Mocha.MochaOptions,
) => Mocha.reporters.Base;

export function withSkipSummary<T extends ReporterClass>(Reporter: T): T {
  // The compiler demands these parameters of a mixin.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const Base: new (...args: any[]) => Mocha.reporters.Base = Reporter;
  class SkipSummary extends Base {
    private readonly skipped = new Map<string, number>();

    constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
      super(runner, options);
      runner.on('pending', (test) => {
        const reason = skipReason(test);
        this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + 1);
      });
    }

    override epilogue(): void {
      const byCount = [...this.skipped].sort(([, a], [, b]) => b - a);
      const total = byCount.reduce((sum, [, count]) => sum + count, 0);
      if (total > 0) {
        console.log(`\n  ${total} ${total === 1 ? 'test was' : 'tests were'} skipped:`);
        for (const [reason, count] of byCount)
          console.log(`${String(count).padStart(6)}  ${reason}`);
      }
      super.epilogue();
    }
  }
  return SkipSummary as unknown as T;
}
