/** `caisson version`. */
import { createRequire } from 'node:module';
import { release } from 'node:os';
import { invalid } from '../../engine/check.js';
import { parseCommandLine } from '../command-line.js';
import { VERSION } from '../flags/version.js';
import { print } from '../report.js';

/** Of the package that this file is part of. */
export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('caisson/package.json') as { version: string };
  return version;
}

export async function version(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(VERSION, args);
  if (line === undefined) {
    const { helpText } = await import('../help.js');
    print(1, helpText('version'));
    return 0;
  }
  const format = line.value('format');
  if (format !== undefined && format !== 'json') throw invalid('format', format, 'is not "json"');
  const facts = {
    version: packageVersion(),
    node: process.version,
    os: process.platform,
    arch: process.arch,
    kernel: release(),
  };
  print(
    1,
    format === 'json'
      ? `${JSON.stringify(facts)}\n`
      : `caisson\n Version:   ${facts.version}\n Node.js:   ${facts.node}\n OS/Arch:   ${facts.os}/${facts.arch}\n Kernel:    ${facts.kernel}\n`,
  );
  return 0;
}
