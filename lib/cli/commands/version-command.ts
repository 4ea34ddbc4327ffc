/** `caisson version`. */
import { release } from 'node:os';
import { packageVersion } from '../../base/package-version.js';
import { parseCommandLine } from '../args/command-line.js';
import { VERSION } from '../flags/version-flags.js';
import { print } from '../report.js';

export async function version(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(VERSION, args);
  const format = line.value('format');
  const facts = {
    version: packageVersion(),
    node: process.version,
    os: process.platform,
    arch: process.arch,
    kernel: release(),
  };
  if (format !== undefined && format !== '' && format !== 'json') return formatted(format, facts);
  print(
    1,
    format === 'json'
      ? `${JSON.stringify(facts)}\n`
      : `caisson\n Version:   ${facts.version}\n Node.js:   ${facts.node}\n OS/Arch:   ${facts.os}/${facts.arch}\n Kernel:    ${facts.kernel}\n`,
  );
  return 0;
}

/** Docker's names. There is no server, so client and server are the same. */
async function formatted(
  format: string,
  { version: own, os, arch, kernel, node }: Readonly<Record<string, string>>,
): Promise<number> {
  const { parseTemplate } = await import('../template/go-template.js');
  const { TemplateError } = await import('../template/error.js');
  const { markStruct } = await import('../../docker/go-values.js');
  const versions = markStruct('Version', {
    Version: own,
    Os: os,
    Arch: arch,
    KernelVersion: kernel,
    NodeVersion: node,
  });
  try {
    const data = markStruct('Versions', { Client: versions, Server: versions });
    print(1, `${parseTemplate(format).execute(data)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    print(2, `caisson: template parsing error: ${error.message}\n`);
    return 64;
  }
}
