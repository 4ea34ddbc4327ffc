/** `network create`, `ls`, `inspect`, `connect`, `disconnect`, `rm` and `prune`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { assignment, integer, label } from '../args/flag-values.js';
import { FILTER_FLAG, LIST_FORMAT_FLAG, NO_TRUNC_FLAG, pruneFlags } from './common-flags.js';

export const NETWORK_CREATE: CommandSpec = {
  name: 'network create',
  usage: '[OPTIONS] NETWORK',
  description: 'Create a network',
  examples: [
    ['caisson network create web', 'with a subnet that is free'],
    [
      'caisson network create --subnet 10.9.0.0/16 --ip-range 10.9.4.0/24 --gateway 10.9.0.1 web',
      'a subnet that is given',
    ],
    ['caisson network create --ipv6 --internal db', 'no route leads out of it'],
  ],
  flags: [
    { long: 'attachable', help: 'Enable manual container attachment' },
    {
      long: 'aux-address',
      value: 'map',
      repeatable: true,
      check: assignment,
      help: 'Auxiliary IPv4 or IPv6 addresses used by Network driver',
    },
    {
      long: 'driver',
      short: 'd',
      value: 'driver',
      completes: ['bridge'],
      help: 'Driver to manage the Network (default bridge)',
    },
    {
      long: 'gateway',
      value: 'address',
      repeatable: true,
      help: 'IPv4 or IPv6 Gateway for the master subnet',
    },
    { long: 'internal', help: 'Restrict external access to the network' },
    {
      long: 'ip-range',
      value: 'subnet',
      repeatable: true,
      help: 'Allocate container ip from a sub-range',
    },
    { long: 'ipv6', help: 'Enable or disable IPv6 address assignment' },
    {
      long: 'label',
      value: 'list',
      repeatable: true,
      check: label,
      help: 'Set metadata on a network',
    },
    {
      long: 'opt',
      short: 'o',
      value: 'map',
      repeatable: true,
      check: assignment,
      completes: [
        'com.docker.network.bridge.enable_icc=',
        'com.docker.network.bridge.enable_ip_masquerade=',
        'com.docker.network.bridge.host_binding_ipv4=',
        'com.docker.network.bridge.name=',
        'com.docker.network.driver.mtu=',
      ],
      help: 'Set driver specific options',
    },
    {
      long: 'subnet',
      value: 'subnet',
      repeatable: true,
      help: 'Subnet in CIDR format that represents a network segment',
    },
    HELP_FLAG,
  ],
  unsupported: [
    { long: 'config-from', value: true },
    { long: 'config-only', value: false },
    { long: 'ingress', value: false },
    { long: 'ipam-driver', value: true },
    { long: 'ipam-opt', value: true },
    { long: 'ipv4', value: false },
    { long: 'scope', value: true },
  ],
  args: [1, 1],
};

export const NETWORK_CONNECT: CommandSpec = {
  name: 'network connect',
  usage: '[OPTIONS] NETWORK CONTAINER',
  description: 'Connect a container to a network',
  examples: [
    ['caisson network connect web app', 'another interface of it, at once if it runs'],
    ['caisson network connect --ip 10.9.0.7 --alias db web app', 'with an address and a name'],
  ],
  argument: 'network',
  flags: [
    {
      long: 'alias',
      value: 'name',
      repeatable: true,
      help: 'Add network-scoped alias for the container',
    },
    {
      long: 'gw-priority',
      value: 'number',
      check: integer,
      help: 'Highest gw-priority provides the default gateway (default 0)',
    },
    { long: 'ip', value: 'ip', help: 'IPv4 address (e.g., 172.30.100.104)' },
    { long: 'ip6', value: 'ip', help: 'IPv6 address (e.g., 2001:db8::33)' },
    {
      long: 'link-local-ip',
      value: 'ip',
      repeatable: true,
      help: 'Add a link-local address for the container',
    },
    HELP_FLAG,
  ],
  unsupported: [
    { long: 'driver-opt', value: true },
    { long: 'link', value: true },
  ],
  args: [2, 2],
};

export const NETWORK_DISCONNECT: CommandSpec = {
  name: 'network disconnect',
  usage: '[OPTIONS] NETWORK CONTAINER',
  description: 'Disconnect a container from a network',
  examples: [['caisson network disconnect web app', 'its interface there is removed']],
  argument: 'network',
  flags: [
    {
      long: 'force',
      short: 'f',
      help: 'Disconnect it also from a network that does not exist any more',
    },
    HELP_FLAG,
  ],
  args: [2, 2],
};

export const NETWORK_LS: CommandSpec = {
  name: 'network ls',
  usage: '[OPTIONS]',
  description: 'List networks',
  examples: [
    ['caisson network ls --filter type=custom', 'without those that always exist'],
    [`caisson network ls --format '{{.Name}} {{.Driver}}'`, 'other columns'],
  ],
  flags: [
    FILTER_FLAG,
    LIST_FORMAT_FLAG,
    NO_TRUNC_FLAG,
    { long: 'quiet', short: 'q', help: 'Only display network IDs' },
    HELP_FLAG,
  ],
  args: [0, 0],
};

export const NETWORK_INSPECT: CommandSpec = {
  name: 'network inspect',
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  description: 'Display detailed information on one or more networks',
  examples: [
    [`caisson network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' web`, 'its subnet'],
  ],
  argument: 'network',
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'format',
      completes: ['json'],
      help: 'json, or a template for each network',
    },
    { long: 'verbose', short: 'v', help: 'Accepted as in Docker, without an effect' },
    HELP_FLAG,
  ],
  args: [1, Infinity],
};

export const NETWORK_RM: CommandSpec = {
  name: 'network rm',
  usage: 'NETWORK [NETWORK...]',
  description: 'Remove one or more networks',
  examples: [['caisson network rm web', 'which no container uses']],
  argument: 'network',
  flags: [
    { long: 'force', short: 'f', help: 'Do not error if the network does not exist' },
    HELP_FLAG,
  ],
  args: [1, Infinity],
};

export const NETWORK_PRUNE: CommandSpec = {
  name: 'network prune',
  usage: '[OPTIONS]',
  description: 'Remove all unused networks',
  examples: [['caisson network prune -f --filter until=24h', 'created more than a day ago']],
  flags: [...pruneFlags('Only networks that match: until=24h, label=…, label!=…'), HELP_FLAG],
  args: [0, 0],
};

export const NETWORK_RELOAD: CommandSpec = {
  name: 'network reload',
  usage: '[OPTIONS]',
  description: 'Make again what other programs have removed from the firewall of networks',
  examples: [
    [
      'caisson network reload',
      'after nft flush ruleset: published ports lead to their containers again',
    ],
  ],
  flags: [HELP_FLAG],
  args: [0, 0],
};
