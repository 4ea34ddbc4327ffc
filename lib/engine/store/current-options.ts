/** The options of a container as its next start has them: `network connect` and `disconnect` change its networks. */
import type { NetworkConnection } from '../options/network-connections.js';
import { connectionsOf } from '../options/network.js';
import { hasNetworkInfo as optionsHave, type RunOptions } from '../options/options.js';
import type { StoredConfig } from './stored.js';

type Configured = Pick<StoredConfig, 'options' | 'connections'>;

export function currentOptions({ options, connections }: Configured): RunOptions {
  if (connections === undefined) return options;
  const {
    network,
    ip: _ip,
    ip6: _ip6,
    macAddress: _mac,
    networkAliases: _aliases,
    linkLocalIps: _linkLocal,
    ...rest
  } = options;
  if (connections.length > 0) {
    // Its policy stays.
    const policy = typeof network === 'object' ? { network: { ...network, name: undefined } } : {};
    return { ...rest, ...policy, networks: connections };
  }
  // Nothing is left that a port could be published by.
  const { networks: _networks, ports: _ports, publishAll: _all, ...others } = rest;
  return { ...others, network: 'none' };
}

/** Its networks with a bridge. */
export function currentConnections(config: Configured): readonly NetworkConnection[] {
  return connectionsOf(currentOptions(config));
}

/** Whether its networks have a bridge, or had one. */
export function hasConnections(config: Configured): boolean {
  return config.connections !== undefined || currentConnections(config).length > 0;
}

/** Whether `ContainerInfo` has networks or ports. */
export function hasNetworkInfo(config: Configured): boolean {
  return hasConnections(config) || optionsHave(config.options);
}
