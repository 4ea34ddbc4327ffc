/** `caisson port`. */
import { naturalOrder } from '../../docker/natural-order.js';
import { joinHostPort } from '../../docker/port-shape.js';
import type { PortInfo } from '../../engine/store/stored.js';
import { parseCommandLine } from '../args/command-line.js';
import { at, type EngineLocation } from '../command-context.js';
import { PORT } from '../flags/port-flags.js';
import { print } from '../report.js';
import { complain } from './each.js';

export async function port(args: readonly string[], location: EngineLocation): Promise<number> {
  const [container = '', wanted = ''] = parseCommandLine(PORT, args).args;
  return at(location, async (context) => {
    try {
      const { networks, ports } = await (await context.get(container)).inspect();
      if (networks !== undefined && ports === undefined)
        return fail('published ports can only be seen with CAP_NET_ADMIN');
      return wanted === ''
        ? show((ports ?? []).map(mapping))
        : showOne(ports ?? [], wanted, container);
    } catch (error) {
      await complain(error);
      return 1;
    }
  });
}

/** @param wanted `80` is `80/tcp` */
function showOne(ports: readonly PortInfo[], wanted: string, container: string): number {
  const [number = '', protocol = ''] = wanted.split(/\/(.*)/s);
  if (!/^\d+$/.test(number) || Number(number) > 65_535) return fail(`invalid port (${number})`);
  const name = `${number}/${protocol === '' ? 'tcp' : protocol}`;
  const found = ports.filter((each) => inContainer(each) === name);
  if (found.length === 0) return fail(`No public port '${name}' published for ${container}`);
  return show(found.map(onHost));
}

function mapping(port: PortInfo): string {
  return `${inContainer(port)} -> ${onHost(port)}`;
}

function inContainer({ containerPort, protocol }: PortInfo): string {
  return `${containerPort}/${protocol}`;
}

function onHost({ hostIp, hostPort }: PortInfo): string {
  return joinHostPort(hostIp, hostPort);
}

function show(lines: readonly string[]): number {
  print(1, [...lines].sort(naturalOrder).map((line) => `${line}\n`).join('')); // prettier-ignore
  return 0;
}

function fail(message: string): number {
  print(2, `caisson: ${message}\n`);
  return 1;
}
