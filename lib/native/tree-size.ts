import { loadNative } from './load.js';

/**
 * Bytes of all files below a directory; of a missing one 0. A file with several names counts once. Counted natively: a
 * container's file names need be no text, and its paths may be longer than any that can be opened.
 */
export function treeSize(directory: string): Promise<number> {
  return loadNative().treeSize(directory);
}
