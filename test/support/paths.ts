/** Where things are in the checkout. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file is `dist/test/support/paths.js` when it runs. */
export const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** The addon with fault injection. */
export const debugNative = join(repository, 'build/Debug');

/** The compiled program of that name below test/integration/fixtures. */
export function fixture(name: string): string {
  return join(repository, 'dist/test/integration/fixtures', `${name}.js`);
}

/** The same as one file, which Node starts in half the time: of those that scripts/build-ts lists. */
export function bundledFixture(name: string): string {
  return join(repository, 'dist/test/bundle', `${name}.cjs`);
}
