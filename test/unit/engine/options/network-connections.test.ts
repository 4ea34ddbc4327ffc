import { expect } from 'chai';
import { normalizeNetwork } from '../../../../lib/engine/options/network.js';
import type { NetworkOptions } from '../../../../lib/engine/options/options.js';
import { normalizeExpose } from '../../../../lib/engine/options/ports.js';
import {
  currentConnections,
  currentOptions,
} from '../../../../lib/engine/store/current-options.js';
import { expectError } from '../../support/expect-error.js';

describe('The networks of a container, as they are asked for', () => {
  const names = (options: NetworkOptions) =>
    normalizeNetwork(options).endpoints.map(({ network }) => network);

  it('The first one has the options of the container, the others have their own', () => {
    const { endpoints } = normalizeNetwork({
      network: 'web',
      ip: '10.1.0.9',
      networkAliases: ['A'],
      networks: ['db', { network: 'back', macAddress: '02-00-00-00-00-01', gatewayPriority: 3 }],
    });
    expect(endpoints).to.deep.equal([
      // prettier-ignore
      { network: 'web', ip: '10.1.0.9', ip6: undefined, aliases: ['a'], mac: undefined, linkLocal: [], priority: 0 },
      // prettier-ignore
      { network: 'db', ip: undefined, ip6: undefined, aliases: [], mac: undefined, linkLocal: [], priority: 0 },
      // prettier-ignore
      { network: 'back', ip: undefined, ip6: undefined, aliases: [], mac: '02:00:00:00:00:01', linkLocal: [], priority: 3 },
    ]);
    expect(names({ networks: ['db', 'web'] })).to.deep.equal(['db', 'web']);
    expect(names({ network: 'default', networks: ['web'] })).to.deep.equal(['bridge', 'web']);
    expect(names({ networks: [] })).to.deep.equal([]);
  });

  it('What does not fit is refused', () => {
    const refuse = (
      options: object,
      code: 'ERR_INVALID_OPTION' | 'ERR_CONFLICTING_OPTIONS',
      text: RegExp,
    ) =>
      // prettier-ignore
      expectError(() => normalizeNetwork(options), code, text);
    refuse({ networks: 'web' }, 'ERR_INVALID_OPTION', /is not an array/);
    refuse({ networks: [7] }, 'ERR_INVALID_OPTION', /neither a name nor an object/);
    refuse({ networks: [{}] }, 'ERR_INVALID_OPTION', /is not the name of a network/);
    refuse(
      { networks: [{ network: 'web', dns: [] }] },
      'ERR_INVALID_OPTION',
      /"dns" is not a field/,
    );
    refuse({ networks: [{ network: 'web', ip: '::1' }] }, 'ERR_INVALID_OPTION', /not an IPv4/);
    refuse({ networks: [{ network: 'web', gatewayPriority: 0.5 }] }, 'ERR_INVALID_OPTION', /gatewayPriority/); // prettier-ignore
    refuse({ network: 'web', linkLocalIps: ['10.0.0.1'] }, 'ERR_INVALID_OPTION', /invalid link local IP address/); // prettier-ignore
    refuse({ network: 'web', networks: ['web'] }, 'ERR_CONFLICTING_OPTIONS', /multiple times/);
    refuse(
      { network: 'none', networks: ['web'] },
      'ERR_CONFLICTING_OPTIONS',
      /private \(none\) mode/,
    );
    refuse({ network: 'host', networks: ['web'] }, 'ERR_CONFLICTING_OPTIONS', /sharing network namespace/); // prettier-ignore
    refuse({ networks: ['web'], ip: '10.1.0.9' }, 'ERR_CONFLICTING_OPTIONS', /network/);
    refuse({ networks: [{ network: 'bridge', aliases: ['a'] }] }, 'ERR_CONFLICTING_OPTIONS', /network-scoped alias/); // prettier-ignore
    refuse({ networks: Array.from({ length: 33 }, (_, at) => `n${at}`) }, 'ERR_INVALID_OPTION', /limit is 32/); // prettier-ignore
    refuse({ publishAll: true }, 'ERR_CONFLICTING_OPTIONS', /publishAll/);
  });

  it('Networks that were changed later replace those of the options', () => {
    const options = { network: 'web', ip: '10.1.0.9', ports: ['80:80'], hostname: 'app' };
    expect(currentOptions({ options })).to.equal(options);
    const connections = [{ network: 'db', ip: '10.2.0.9' }];
    expect(currentOptions({ options, connections })).to.deep.equal({ hostname: 'app', ports: ['80:80'], networks: connections }); // prettier-ignore
    expect(currentConnections({ options, connections })).to.deep.equal(connections);
    expect(currentOptions({ options, connections: [] })).to.deep.equal({ hostname: 'app', network: 'none' }); // prettier-ignore
  });

  it('Exposed ports are published by publishAll if they are not already', () => {
    expect(normalizeExpose([80, '80/tcp', '53/UDP', '8000-8001'])).to.deep.equal([
      { containerPort: 80, protocol: 'tcp' },
      { containerPort: 53, protocol: 'udp' },
      { containerPort: 8000, protocol: 'tcp' },
      { containerPort: 8001, protocol: 'tcp' },
    ]);
    for (const wrong of ['', 'x', '0', '65536', '90-80', '80/icmp', '80/tcp/udp', '1:80', {}])
      expectError(() => normalizeExpose([wrong as string]), 'ERR_INVALID_OPTION', /expose/);
    const { ports } = normalizeNetwork({ network: 'web', ports: ['8080:80'], expose: ['80', '53/udp'], publishAll: true }); // prettier-ignore
    expect(ports).to.deep.equal([
      { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { containerPort: 53, protocol: 'udp' },
    ]);
  });
});
