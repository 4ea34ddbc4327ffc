/** `caisson network …`. */
import { CaissonError } from '../../base/errors.js';
import { splitAssignment } from '../../base/assignment.js';
import { shortId } from '../../base/ids.js';
import { networksIn } from '../../engine/networks-in.js';
import type { Networks } from '../../engine/networks/networks.js';
import {
  NETWORK_HEADINGS,
  NETWORK_TABLE,
  networkRow,
  networkShape,
} from '../../docker/network-shape.js';
import { naturalOrder } from '../../docker/natural-order.js';
import type { CommandLine } from '../args/command-line.js';
import type { CommandSpec } from '../args/command-spec.js';
import { matchSubnets } from '../args/subnet-flags.js';
import type { CommandFunction } from '../command.js';
import {
  NETWORK_CONNECT,
  NETWORK_CREATE,
  NETWORK_DISCONNECT,
  NETWORK_INSPECT,
  NETWORK_LS,
  NETWORK_PRUNE,
  NETWORK_RELOAD,
  NETWORK_RM,
} from '../flags/network-flags.js';
import { listFormat } from '../format/table.js';
import { print, warningText } from '../report.js';
import { isConfirmed } from './confirm.js';
import { contextCommand } from './context-command.js';
import { complain } from './each.js';
import { inspectFormat, printInspected } from './inspected.js';

function command(
  spec: CommandSpec,
  work: (line: CommandLine, networks: Networks) => Promise<number>,
): CommandFunction {
  return contextCommand(spec, (line, context) => work(line, networksIn(context)));
}

export const networkCreate = command(NETWORK_CREATE, async (line, networks) => {
  const subnets = matchSubnets({
    subnets: line.values('subnet'),
    gateways: line.values('gateway'),
    ipRanges: line.values('ip-range'),
    auxAddresses: line.values('aux-address'),
  });
  const pairs = line.values('opt').map((text) => {
    const { name, value = '' } = splitAssignment(text);
    return [name, value] as const;
  });
  const ipv6IsGiven = line.has('ipv6', true) === line.has('ipv6', false);
  const { id } = await networks.create(line.args[0] ?? '', {
    // The engine refuses any other.
    driver: (line.value('driver') ?? 'bridge') as 'bridge',
    subnets,
    ...(ipv6IsGiven ? { ipv6: line.has('ipv6') } : {}),
    internal: line.has('internal'),
    attachable: line.has('attachable'),
    labels: line.values('label'),
    options: Object.fromEntries(pairs),
  });
  print(1, `${id}\n`);
  return 0;
});

export const networkLs = command(NETWORK_LS, async (line, networks) => {
  const noTrunc = line.has('no-trunc');
  const found = await networks.list(line.values('filter'));
  const sorted = found.sort((a, b) => naturalOrder(a.name, b.name));
  const text = line.value('format');
  if (line.has('quiet') && (text === undefined || text === '' || text === 'table')) {
    print(1, sorted.map(({ id }) => `${noTrunc ? id : shortId(id)}\n`).join(''));
    return 0;
  }
  const format = listFormat(text, NETWORK_TABLE, NETWORK_HEADINGS);
  print(1, format.render(sorted.map((network) => networkRow(network, noTrunc))));
  return 0;
});

export const networkInspect = command(NETWORK_INSPECT, async (line, networks) => {
  const format = inspectFormat(line);
  if (format === undefined) return 64;
  return printInspected(line.args, format, async (name) =>
    networkShape(await networks.inspect(name)),
  );
});

export const networkRm = command(NETWORK_RM, async (line, networks) => {
  let code = 0;
  for (const name of line.args) {
    try {
      await networks.remove(name);
      print(1, `${name}\n`);
    } catch (error) {
      const gone = error instanceof CaissonError && error.code === 'ERR_NO_SUCH_NETWORK';
      if (gone && line.has('force')) continue;
      await complain(error);
      code = 1;
    }
  }
  return code;
});

export const networkConnect = command(NETWORK_CONNECT, async (line, networks) => {
  const [network = '', container = ''] = line.args;
  const priority = line.value('gw-priority');
  await networks.connect(network, container, {
    ip: line.value('ip'),
    ip6: line.value('ip6'),
    aliases: line.values('alias'),
    linkLocalIps: line.values('link-local-ip'),
    ...(priority === undefined ? {} : { gatewayPriority: Number(priority) }),
  });
  return 0;
});

export const networkDisconnect = command(NETWORK_DISCONNECT, async (line, networks) => {
  const [network = '', container = ''] = line.args;
  await networks.disconnect(network, container, { force: line.has('force') });
  return 0;
});

export const networkPrune = command(NETWORK_PRUNE, async (line, networks) => {
  const what = 'all custom networks not used by at least one container';
  if (!line.has('force') && !(await isConfirmed(what))) return 0;
  const removed = await networks.prune(line.values('filter'));
  if (removed.length > 0)
    print(1, `Deleted Networks:\n${removed.map(({ name }) => name).join('\n')}\n\n`);
  return 0;
});

export const networkReload = command(NETWORK_RELOAD, async (_, networks) => {
  const warnings = await networks.reload();
  print(2, warnings.map(warningText).join(''));
  return 0;
});
