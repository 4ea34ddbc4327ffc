import { createRequire } from 'node:module';

/** The version of the package that this file is part of. */
export function packageVersion(): string {
  // By the path: Node takes milliseconds for the name.
  const { version } = createRequire(import.meta.url)('../../../package.json') as {
    version: string;
  };
  return version;
}
