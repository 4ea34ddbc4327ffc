import { inspect } from 'node:util';
import { CaissonError } from '../../lib/base/errors.js';

/** The CaissonError that a promise rejects with. Everything else is a failure of the test. */
export async function rejectionOf(promise: PromiseLike<unknown>): Promise<CaissonError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof CaissonError) return error;
    throw error;
  }
  throw new Error(`nothing was refused: ${inspect(value)}`);
}
