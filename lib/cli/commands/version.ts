/** `caisson version`. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { invalid } from '../../engine/check.js';
import type { Flag } from '../flag-table.js';
import { FlagParser } from '../parse-flags.js';
import { print } from '../report.js';
import { UsageError } from '../usage-error.js';

const FLAGS: readonly Flag[] = [
  { long: 'format', short: 'f', value: 'json', help: 'Print as JSON' },
  { long: 'help', help: 'Print this help' },
];

/** Of the package that this file is part of: dist/lib/cli/commands is four levels below it. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export async function version(args: readonly string[]): Promise<number> {
  const { values, switches, rest } = new FlagParser('version', FLAGS).parse(args);
  if (switches.get('help') === true) {
    const { helpText } = await import('../help.js');
    print(1, helpText('version'));
    return 0;
  }
  if (rest.length > 0)
    throw new UsageError(
      'ERR_INVALID_OPTION',
      '"caisson version" accepts no arguments',
      'version',
      1,
    );
  const format = values.get('format')?.at(-1);
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
