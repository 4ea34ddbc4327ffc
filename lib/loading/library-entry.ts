/** dist/lib/bundle/library.cjs: the modules of the public interface, packed. */
import { join } from 'node:path';
import { Modules } from './load-modules.js';

/** scripts/bundle.mjs defines it: the names of the modules of each pack. */
declare const PACKS: Readonly<Record<string, string>>;

// @vercel/nft of Next.js lists by this expression, and by the two below, which files a program needs: it does not read packs.
const place = {
  pathOf: (pack: string) => join(__dirname, `${pack}.pack`),
  filename: __filename,
  require,
};

export const { load } = new Modules(PACKS, place);
export const binaries = join(__dirname, '../../../prebuilds');
export const dependency = (): string => require.resolve('dbus-native');
