/** `network create`: which gateway, range and auxiliary address belongs to which subnet. */
import { splitAssignment } from '../../base/assignment.js';
import { type Block, contains, nth, parseAddress, parseBlock } from '../../base/cidr.js';
import type { SubnetRequest } from '../../network/bridge/subnets.js';
import { UsageError } from './usage-error.js';

export interface SubnetFlags {
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly ipRanges: readonly string[];
  /** `name=address` */
  readonly auxAddresses: readonly string[];
}

interface Draft {
  readonly text: string;
  readonly block: Block;
  gateway?: string;
  ipRange?: string;
  readonly auxAddresses: Record<string, string>;
}

/**
 * As docker/cli (cli/command/network/create.go): each belongs to the subnet that contains it. A flag's value may be a list
 * with commas.
 *
 * @throws UsageError, and ERR_INVALID_OPTION for what is no address
 */
export function matchSubnets(flags: SubnetFlags): SubnetRequest[] {
  const subnets = flags.subnets
    .flatMap(listOf)
    .map((text): Draft => ({ text, block: parseBlock('--subnet', text), auxAddresses: {} }));
  const gateways = flags.gateways.flatMap(listOf);
  const ipRanges = flags.ipRanges.flatMap(listOf);
  if (subnets.length < gateways.length || subnets.length < ipRanges.length)
    throw refused('every ip-range or gateway must have a corresponding subnet');
  const subnetOf = (what: string, text: string, address = parseAddress(`--${what}`, text)) => {
    const found = subnets.find(({ block }) => contains(block, address));
    if (found === undefined)
      throw refused(`no matching subnet for ${what === 'ip-range' ? 'range' : what} ${text}`);
    return found;
  };
  for (const text of ipRanges) {
    const subnet = subnetOf('ip-range', text, nth(parseBlock('--ip-range', text), 0n));
    if (subnet.ipRange !== undefined)
      throw refused(`cannot configure multiple ranges (${text}, ${subnet.ipRange}) on the same subnet (${subnet.text})`); // prettier-ignore
    subnet.ipRange = text;
  }
  for (const text of gateways) {
    const subnet = subnetOf('gateway', text);
    if (subnet.gateway !== undefined)
      throw refused(`cannot configure multiple gateways (${text}, ${subnet.gateway}) for the same subnet (${subnet.text})`); // prettier-ignore
    subnet.gateway = text;
  }
  for (const text of flags.auxAddresses) {
    const { name, value = '' } = splitAssignment(text);
    subnetOf('aux-address', value).auxAddresses[name] = value;
  }
  return subnets.map(({ text, gateway, ipRange, auxAddresses }) => ({
    subnet: text,
    gateway,
    ipRange,
    auxAddresses,
  }));
}

function listOf(text: string): string[] {
  return text.split(',');
}

function refused(text: string): UsageError {
  return new UsageError('ERR_INVALID_OPTION', text, 'network create', 1);
}
