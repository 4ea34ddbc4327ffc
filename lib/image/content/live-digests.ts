/** What blobs need, with all that they refer to. */
import type { LayoutPaths } from './layout-paths.js';
import { referencesOf } from './references.js';

/** Digests of blobs, diff ids and chain ids. */
export class LiveDigests implements Iterable<string> {
  readonly #digests = new Set<string>();

  constructor(private readonly paths: LayoutPaths) {}

  has(digest: string): boolean {
    return this.#digests.has(digest);
  }

  add(digests: readonly string[]): void {
    const open = [...digests];
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      if (this.#digests.has(digest)) continue;
      this.#digests.add(digest);
      open.push(...referencesOf(this.paths.blob(digest)));
    }
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#digests.values();
  }
}
