/** The question before something is removed. */
import { linesOf } from '../../base/lines.js';
import { print } from '../report.js';

/** @param what `all stopped containers` */
export function isConfirmed(what: string): Promise<boolean> {
  return isAgreed(`WARNING! This will remove ${what}.`);
}

/** @param warning lines, without the last line end */
export async function isAgreed(warning: string): Promise<boolean> {
  print(1, `${warning}\nAre you sure you want to continue? [y/N] `);
  for await (const answer of linesOf(process.stdin)) return /^y(?:es)?$/i.test(answer.trim());
  return false;
}
