/** Given to mocha's `--require`: on an emulated machine, every time limit is so many times as long (slowness.ts). */
import mocha from 'mocha';
import { slowness } from '../support/slowness.js';

const limits = mocha.Runnable.prototype;
const plain = Object.getOwnPropertyDescriptor(limits, 'timeout')?.value as (
  limit?: number | string,
) => unknown;
// The limit that mocha waits for is the one that is read here; a limit that is set is kept and inherited unchanged.
limits.timeout = function (this: Mocha.Runnable, ...limit: [] | [number | string]) {
  const answer = plain.apply(this, limit);
  return (limit.length === 0 ? (answer as number) * slowness : answer) as never;
};
