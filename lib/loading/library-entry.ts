/** dist/lib/bundle/library.cjs: the modules of the public interface, packed. */
import { Modules } from './load-modules.js';

/** scripts/bundle.mjs defines it: the names of the modules of each pack. */
declare const PACKS: Readonly<Record<string, string>>;

const place = { directory: __dirname, filename: __filename, require };

export const { load } = new Modules(PACKS, place);
