/** Runs a teardown. The files may belong to ids of a container: then only the root of its user namespace can remove them. */
import type { NativeError } from '../../native/binding.js';
import { loadNative } from '../../native/load.js';
import { errnoName } from '../../base/errno.js';
import { findUserNamespaceIds } from '../../host/user-namespace-ids.js';

/** @returns what could not be removed. */
export async function tearDown(teardown: Uint8Array): Promise<NativeError | null> {
  const native = loadNative();
  const error = await new Promise<NativeError | null>((resolve) =>
    native.tearDown(teardown, resolve),
  );
  if (error === null || !FOREIGN.has(errnoName(error.errno))) return error;
  const users = await findUserNamespaceIds();
  if (users === undefined) return error;
  const { tearDownInUserNamespace } = await import('./tear-down-in-user-namespace.js');
  return tearDownInUserNamespace(users, teardown);
}

/** The kernel's errors for files of another user. */
const FOREIGN: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
