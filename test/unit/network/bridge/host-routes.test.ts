import { expect } from 'chai';
import { formatBlock } from '../../../../lib/base/cidr.js';
import {
  hostBlocks,
  nameServers,
  parseRoutes,
  parseRoutes6,
  type Route,
} from '../../../../lib/network/bridge/host-routes.js';

const texts = (routes: readonly Route[]) =>
  routes.map(({ block, near }) => `${near ? 'near' : 'far'} ${formatBlock(block)}`);

describe('The addresses that the host uses', () => {
  it('Routes of IPv4 are read from proc, without the default route', () => {
    const lines = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                       ',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0                                               ',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0                                               ',
      'tun0\t000010AC\t0100000A\t0003\t0\t0\t0\t0000F0FF\t0\t0\t0                                               ',
      'tun0\t0100000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0                                               ',
      // A VPN that replaces the default route.
      'tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0                                               ',
      'tun0\t00000080\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0                                               ',
      '',
    ];
    expect(texts(parseRoutes(lines.join('\n')))).to.deep.equal([
      'near 192.0.2.0/24',
      'far 172.16.0.0/12',
      'near 10.0.0.1/32',
    ]);
  });

  it('Routes of IPv6 are read from proc, without the default route', () => {
    const zeros = '0'.repeat(32);
    const line = (to: string, length: string, via: string, flags: string) =>
      `${to} ${length} ${zeros} 00 ${via} 00000100 00000001 00000000 ${flags}     eth0`;
    const text = [
      line('fd000000000000000000000000000000', '40', zeros, '00000001'),
      line(
        '20010db8000000000000000000000000',
        '20',
        'fd000000000000000000000000000001',
        '00000003',
      ),
      line(zeros, '00', 'fd000000000000000000000000000001', '00000003'),
    ].join('\n');
    expect(texts(parseRoutes6(`${text}\n`))).to.deep.equal(['near fd00::/64', 'far 2001:db8::/32']);
  });

  it('Texts that are no routes have none', () => {
    for (const text of ['', 'x', 'a\tb\n\t\t\n', 'Iface\nzz 00'])
      expect([...parseRoutes(text), ...parseRoutes6(text)]).to.deep.equal([]);
  });

  it('Name servers are read from resolv.conf', () => {
    const text = '# a\nnameserver 192.0.2.53\nsearch example.org\n nameserver  fe80::1%eth0\nnameserver x\n'; // prettier-ignore
    expect(nameServers(text).map(formatBlock)).to.deep.equal(['192.0.2.53/32', 'fe80::1/128']);
  });

  it('This machine has at least its loopback address', async () => {
    const { near } = await hostBlocks();
    expect(near.map(formatBlock)).to.include('127.0.0.0/8');
  });
});
