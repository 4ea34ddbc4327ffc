import { expect } from 'chai';
import { CaissonError, type ErrorCode } from '../../../lib/base/errors.js';

function check(error: unknown, code: ErrorCode, text: RegExp): CaissonError {
  if (!(error instanceof CaissonError)) throw error;
  expect(error.code, error.message).to.equal(code);
  expect(error.message).to.match(text);
  expect(error.stage, error.message).to.equal('config');
  return error;
}

/** The call throws a CaissonError of that code, and its text names what it is about. */
export function expectError(call: () => unknown, code: ErrorCode, text: RegExp): CaissonError {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    return check(error, code, text);
  }
  throw new Error(`expected ${code}, but it returned ${JSON.stringify(value)}`);
}

export async function expectRejection(
  promise: Promise<unknown>,
  code: ErrorCode,
  text: RegExp,
): Promise<CaissonError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return check(error, code, text);
  }
  throw new Error(`expected ${code}, but it resolved to ${JSON.stringify(value)}`);
}
