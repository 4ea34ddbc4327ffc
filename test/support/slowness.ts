/**
 * How slow this machine is: an emulated one says so in CAISSON_TEST_SLOWNESS. Given to mocha's `--require`, every
 * time limit is so many times as long.
 */

/** How many times as long as on a real machine things may take. */
export const slowness = Math.max(1, Number(process.env['CAISSON_TEST_SLOWNESS'] ?? 1));

if (slowness > 1) {
  // Loaded only here: programs that tests start, a hundred of them in some, import this file too.
  const { default: mocha } = await import('mocha');
  const limits = mocha.Runnable.prototype;
  const plain = Object.getOwnPropertyDescriptor(limits, 'timeout')?.value as (
    limit?: number | string,
  ) => unknown;
  // What mocha waits for is asked here; what is set stays as it is, and is handed down so.
  limits.timeout = function (this: Mocha.Runnable, ...limit: [] | [number | string]) {
    const answer = plain.apply(this, limit);
    return (limit.length === 0 ? (answer as number) * slowness : answer) as never;
  };
}
