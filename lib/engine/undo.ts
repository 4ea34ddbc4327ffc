/** Runs a teardown: what is to go may belong to users of a container, over whom only its own root has rights. */
import type { NativeError } from '../native/binding.js';
import { loadNative } from '../native/load.js';
import { findOwnUsers } from './own-users.js';

/** @returns what could not be removed. */
export async function undo(teardown: Uint8Array): Promise<NativeError | null> {
  const native = loadNative();
  const users = await findOwnUsers();
  if (users === undefined) return new Promise((resolve) => native.undo(teardown, resolve));
  const { undoAsTheirs } = await import('./undo-as-theirs.js');
  return undoAsTheirs(users, teardown);
}
