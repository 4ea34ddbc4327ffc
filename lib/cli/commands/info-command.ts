/** `caisson info`. */
import { machineInfo } from '../../info/info.js';
import type { MachineInfo } from '../../info/machine-info.js';
import { parseCommandLine } from '../args/command-line.js';
import { INFO } from '../flags/info-flags.js';
import type { EngineLocation } from '../command-context.js';
import { bytesSize } from '../../docker/go-units.js';
import { print } from '../report.js';

export async function info(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(INFO, args);
  const found = machineInfo(location);
  const format = line.value('format');
  if (format === undefined || format === '') {
    print(1, infoText(await found));
    return 0;
  }
  const { parseTemplate } = await import('../template/go-template.js');
  const { TemplateError } = await import('../template/error.js');
  const { infoShape } = await import('../../docker/info-shape.js');
  try {
    const shape = infoShape(await found);
    print(1, `${parseTemplate(format === 'json' ? '{{json .}}' : format).execute(shape)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    if (error.phase === 'parse') {
      print(2, `caisson: template parsing error: ${error.message}\n`);
      return 64;
    }
    // As Docker: an empty line for the failed template.
    print(1, '\n');
    print(2, `caisson: ${error.message}\n`);
    return 1;
  }
}

/** In the order and with the terms of `docker info`, as far as they apply. */
function infoText(info: MachineInfo): string {
  const { containers, cgroup } = info;
  const lines = [
    `Version: ${info.version}`,
    `Node.js: ${info.node}`,
    ...(containers === undefined
      ? ['Containers: not to be seen by this user']
      : [
          `Containers: ${containers.total}`,
          ` Running: ${containers.running}`,
          ` Paused: ${containers.paused}`,
          ` Stopped: ${containers.stopped}`,
        ]),
    `Cgroup Driver: ${cgroup.driver}`,
    `Cgroup Version: ${cgroup.versions.join(' and ') || 'none'}`,
    `Kernel Version: ${info.kernel}`,
    `Operating System: ${info.system}`,
    'OSType: linux',
    `Architecture: ${info.architecture}`,
    `CPUs: ${info.cpus}`,
    `Total Memory: ${bytesSize(info.memory)}`,
    `Name: ${info.hostname}`,
    `User: ${info.user.name} (${info.user.uid})`,
    ...(info.inside === undefined ? [] : [`Inside: ${info.inside}`]),
    `Data Root: ${info.dataRoot}`,
    `Run Root: ${info.runRoot}`,
  ];
  const width = Math.max(...info.abilities.map(({ name }) => name.length)) + 2;
  const missing = (reason = '', remedy = '') => [
    ` ${' '.repeat(width)}      ${reason}`,
    ` ${' '.repeat(width)}      → ${remedy}`,
  ];
  const row = (name: string, available: boolean, text: string) =>
    ` ${name.padEnd(width)}${available ? 'yes' : 'no '}   ${text}`.trimEnd();
  lines.push('Controllers:');
  for (const { name, available, version, limits, reason, remedy } of cgroup.controllers) {
    lines.push(row(name, available, `${available ? `v${version}: ` : ''}${flags(limits)}`));
    if (!available) lines.push(...missing(reason, remedy));
  }
  lines.push('Abilities:');
  for (const { name, gives, available, detail, reason, remedy } of info.abilities) {
    lines.push(row(name, available, detail === undefined ? gives : `${gives} (${detail})`));
    if (!available) lines.push(...missing(reason, remedy));
  }
  return `${lines.join('\n')}\n`;
}

function flags(options: readonly string[]): string {
  return options
    .map((option) => `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    .join(' ');
}
