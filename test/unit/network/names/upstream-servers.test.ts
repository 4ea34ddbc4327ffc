import { expect } from 'chai';
import { upstreamServers } from '../../../../lib/network/names/upstream-servers.js';

describe('The name servers of the host', () => {
  it('They are those of resolv.conf, the first three, with the interfaces of link-local addresses', () => {
    const text = [
      'search example.org',
      'nameserver 127.0.0.53',
      '# nameserver 192.0.2.1',
      'nameserver not-an-address',
      '  nameserver fe80::1%7 ',
      'nameserver fe80::1%lo',
      'nameserver fe80::1%no-such-interface',
      'nameserver 192.0.2.2',
    ];
    expect(upstreamServers(text.join('\n'))).to.deep.equal([
      { address: '127.0.0.53', scope: 0 },
      { address: 'fe80::1', scope: 7 },
      { address: 'fe80::1', scope: 1 },
    ]);
    expect(upstreamServers('')).to.deep.equal([]);
  });
});
