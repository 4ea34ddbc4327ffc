/** dist/lib/bundle/main.cjs: `main` of the command line, of packed modules. */
import { join } from 'node:path';
import { cacheRoot, CodeCache } from './code-cache.js';
import { Modules } from './load-modules.js';

/** scripts/bundle.mjs defines these: a hash of the packs, and the names of their modules. */
declare const BUILD: string;
declare const PACKS: Readonly<Record<string, string>>;

export async function main(argv: readonly string[]): Promise<number> {
  const cache = codeCache();
  const modules = new Modules(
    PACKS,
    { pathOf: (pack) => join(__dirname, `${pack}.pack`), filename: __filename, require },
    cache?.compile.bind(cache),
  );
  const { main: run } = modules.load('cli/main') as {
    main: (argv: readonly string[]) => Promise<number>;
  };
  const code = await run(argv);
  // What a failed command has compiled is not what it usually needs.
  if (code === 0) cache?.save();
  return code;
}

/** Node's own variable, which also turns its cache off. */
function codeCache(): CodeCache | undefined {
  const root = process.env['NODE_DISABLE_COMPILE_CACHE'] === undefined ? cacheRoot() : undefined;
  if (root === undefined) return undefined;
  return new CodeCache(join(root, 'code', `${BUILD}-${process.version}-${process.arch}`));
}
