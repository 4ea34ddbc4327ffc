import { expect } from 'chai';
import {
  claimsOf,
  encodeClaims,
  encodeForwards,
} from '../../../../lib/network/firewall/port-bindings.js';

const port = { hostPort: 8080, containerPort: 80, protocol: 'tcp' } as const;

describe('The sockets of published ports', () => {
  it('There is one for each family that the container has, or the one of the address', () => {
    const both = { ipv4: '10.0.0.2', ipv6: 'fd00::2' };
    const addresses = (endpoint: typeof both | { ipv4: string }, hostIp?: string) =>
      claimsOf(endpoint, { ...port, hostIp }).map(({ address }) => address);
    expect(addresses(both)).to.deep.equal(['0.0.0.0', '::']);
    expect(addresses({ ipv4: '10.0.0.2' })).to.deep.equal(['0.0.0.0']);
    expect(addresses(both, '127.0.0.1')).to.deep.equal(['127.0.0.1']);
  });

  it('They are twenty bytes each, with a line for errors', () => {
    const { text, bytes } = encodeClaims([
      { address: '127.0.0.1', port: 8080, protocol: 'tcp' },
      { address: '::', port: 53, protocol: 'udp' },
    ]);
    expect(text).to.equal('127.0.0.1:8080/tcp\n[::]:53/udp');
    expect(bytes.toString('hex')).to.equal(
      `06041f907f000001${'0'.repeat(24)}11060035${'0'.repeat(32)}`,
    );
  });

  it('Forwarded ports lead to the address of their family, or to the other one, or nowhere', () => {
    const v6 = { ...port, hostIp: '::1' };
    const { text, bytes } = encodeForwards({ ipv4: '10.0.0.2' }, [port, v6]);
    expect(text).to.equal('0.0.0.0:8080/tcp\n[::1]:8080/tcp');
    const target = `060400500a000002${'0'.repeat(24)}`;
    expect(bytes.toString('hex')).to.equal(
      `06041f90${'0'.repeat(32)}${target}06061f90${'0'.repeat(31)}1${target}`,
    );
    expect(encodeForwards({ ipv4: '10.0.0.2' }, [port], false).bytes.toString('hex')).to.equal(
      `06041f90${'0'.repeat(32)}${'0'.repeat(40)}`,
    );
  });
});
