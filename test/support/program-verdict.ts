import { loadNative } from '../../lib/native/load.js';
import type { NativeError } from '../../lib/native/binding.js';

/** What the native decoder says of bytes: of a program without a teardown phase, nothing is run. */
export async function verdict(bytes: Uint8Array): Promise<NativeError | null> {
  return new Promise((resolve) => {
    loadNative().tearDown(bytes, resolve);
  });
}
