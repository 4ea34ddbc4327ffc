/** Skipping with a reason, which the reporter prints at the end of a run. */
/* eslint-disable tests/skip-has-a-reason -- it is here that they get it */

const reasons = new WeakMap<object, string>();

/** Ends the test, or all tests of the hook's suite, as skipped. */
export function skip(context: Mocha.Context, reason: string): never {
  // Of a hook, `test` is the hook itself. What a hook before all skips is its suite; mocha names the first test there.
  const { test, currentTest } = context;
  const isHook = (test as { readonly type?: string } | undefined)?.type === 'hook';
  const ofAll = isHook && test?.title.startsWith('"before all"') === true;
  const skipped = ofAll ? test?.parent : isHook ? currentTest : test;
  if (skipped !== undefined) giveReason(skipped, reason);
  return context.skip();
}

/** `it` and `describe` for what is skipped for this reason. */
export function skipping(reason: string): {
  readonly it: Mocha.PendingTestFunction;
  readonly describe: Mocha.PendingSuiteFunction;
} {
  const noted = <T extends object>(skipped: T): T => {
    giveReason(skipped, reason);
    return skipped;
  };
  return {
    it: ((title: string) => noted(it.skip(title))) as Mocha.PendingTestFunction,
    describe: (title, suite) => {
      const skipped = describe.skip(title, suite);
      return typeof skipped === 'object' ? noted(skipped) : skipped;
    },
  };
}

/** Of a test, or of an object that stands for one that another process has skipped. */
export function giveReason(skipped: object, reason: string): void {
  reasons.set(skipped, reason);
}

/** Why a test was skipped: what was said of it, or of a suite that it belongs to. */
export function skipReason(test: Mocha.Test): string {
  const said = reasons.get(test);
  if (said !== undefined) return said;
  for (let suite = test.parent; suite !== undefined; suite = suite.parent) {
    const reason = reasons.get(suite);
    if (reason !== undefined) return reason;
  }
  return 'no reason was given (test/support/skip.ts)';
}
