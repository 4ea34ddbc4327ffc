import { createRequire } from 'node:module';

/** The version of the package that this file is part of. */
export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('caisson/package.json') as { version: string };
  return version;
}
