import { expect } from 'chai';
import fc from 'fast-check';
import { contains, formatBlock, parseAddress, parseBlock } from '../../../../lib/base/cidr.js';
import type { StoredNetwork } from '../../../../lib/network/bridge/stored-network.js';
import {
  checkSubnet,
  checkSubnets,
  chooseSubnet4,
  chooseSubnet6,
  refuseOverlap,
  type SubnetRequest,
} from '../../../../lib/network/bridge/subnets.js';
import { expectError } from '../../support/expect-error.js';

const block = (text: string) => parseBlock('block', text);
const NO_ROUTES = { near: [], far: [] };

describe('Subnets that are asked for', () => {
  const accepted: readonly (readonly [SubnetRequest, object])[] = [
    [{ subnet: '10.1.0.0/16' }, { subnet: '10.1.0.0/16', gateway: '10.1.0.1' }],
    [
      { subnet: '10.1.0.0/16', ipRange: '10.1.5.0/24' },
      // As Docker: the first address of the range, which is an ordinary one of the subnet.
      { subnet: '10.1.0.0/16', gateway: '10.1.5.0', ipRange: '10.1.5.0/24' },
    ],
    [
      { subnet: '10.1.0.0/24', ipRange: '10.1.0.0/28', gateway: '10.1.0.254' },
      { subnet: '10.1.0.0/24', ipRange: '10.1.0.0/28', gateway: '10.1.0.254' },
    ],
    [
      { subnet: '10.1.0.0/24', auxAddresses: { router: '10.1.0.1' } },
      { subnet: '10.1.0.0/24', gateway: '10.1.0.2', auxAddresses: { router: '10.1.0.1' } },
    ],
    [{ subnet: 'FD12:0:0:1::/64' }, { subnet: 'fd12:0:0:1::/64', gateway: 'fd12:0:0:1::1' }],
    [{ subnet: '10.0.0.0/30' }, { subnet: '10.0.0.0/30', gateway: '10.0.0.1' }],
  ];
  for (const [request, subnet] of accepted) {
    it(`The subnet ${JSON.stringify(request)} is completed`, () => {
      expect(checkSubnet(request).subnet).to.deep.equal(subnet);
    });
  }

  const refused: readonly (readonly [SubnetRequest, RegExp])[] = [
    [{ subnet: '10.1.0.1/16' }, /^subnet: "10.1.0.1\/16" .*it should be 10\.1\.0\.0\/16/],
    [{ subnet: '10.1.0.0' }, /is not a block of addresses/],
    [{ subnet: '10.1.0.0/31' }, /has no address for a container besides its gateway \(.*\/30\)/],
    [{ subnet: 'fd00::/127' }, /has no address for a container .*\/126/],
    [{ subnet: '127.1.0.0/16' }, /has addresses of 127\.0\.0\.0\/8, which no host can have/],
    [{ subnet: '0.0.0.0/0' }, /has addresses of 0\.0\.0\.0\/8/],
    [{ subnet: '::ffff:10.0.0.0/112' }, /has addresses of ::ffff:0:0\/96/],
    [{ subnet: '10.1.0.0/16', gateway: '10.2.0.1' }, /^gateway: .*is not within the subnet 10\.1\.0\.0\/16/],
    [{ subnet: '10.1.0.0/16', gateway: '10.1.0.0' }, /^gateway: .*is reserved/],
    [{ subnet: '10.1.0.0/16', gateway: '10.1.255.255' }, /^gateway: .*is reserved/],
    [{ subnet: '10.1.0.0/16', gateway: 'fd00::1' }, /^gateway: .*is not IPv4, as its subnet is/],
    [{ subnet: '10.1.0.0/16', gateway: 'x' }, /^gateway: .*is not an IPv4 or IPv6 address/],
    [{ subnet: 'fd00::/64', gateway: 'fd00::' }, /^gateway: .*is reserved/],
    [{ subnet: '10.1.0.0/16', ipRange: '10.2.0.0/24' }, /^ipRange: .*is not within its subnet/],
    [{ subnet: '10.1.0.0/16', ipRange: '10.0.0.0/8' }, /^ipRange: .*is not within its subnet/],
    [{ subnet: '10.1.0.0/16', ipRange: 'fd00::/64' }, /^ipRange: .*is not IPv4/],
    [{ subnet: '10.1.0.0/16', ipRange: '10.1.0.0/32' }, /^ipRange: .*has no address for the gateway/],
    [{ subnet: '10.1.0.0/16', auxAddresses: { a: '10.2.0.1' } }, /^auxAddresses.a: .*is not within/],
    [{ subnet: '10.1.0.0/16', gateway: '10.1.0.9', auxAddresses: { a: '10.1.0.9' } }, /is the gateway/],
  ]; // prettier-ignore
  for (const [request, text] of refused) {
    it(`The subnet ${JSON.stringify(request)} is refused`, () => {
      expectError(() => checkSubnet(request), 'ERR_INVALID_OPTION', text);
    });
  }

  it('A network has at most one subnet of each family', () => {
    const { ipv4, ipv6 } = checkSubnets([{ subnet: 'fd00::/64' }, { subnet: '10.0.0.0/8' }]);
    expect([ipv4?.subnet.subnet, ipv6?.subnet.subnet]).to.deep.equal(['10.0.0.0/8', 'fd00::/64']);
    expectError(
      () => checkSubnets([{ subnet: '10.1.0.0/16' }, { subnet: '10.2.0.0/16' }]),
      'ERR_CONFLICTING_OPTIONS',
      /one subnet of IPv4/,
    );
  });

  it('A subnet that overlaps another network’s is refused', () => {
    const other = { name: 'web', ipv4: { subnet: '10.1.0.0/16', gateway: '10.1.0.1' } };
    const networks = [other as unknown as StoredNetwork];
    expectError(
      () => refuseOverlap(block('10.1.2.0/24'), networks),
      'ERR_SUBNET_OVERLAP',
      /Pool overlaps with other one on this address space.*the network web has 10\.1\.0\.0\/16/,
    );
    refuseOverlap(block('10.2.0.0/16'), networks);
  });
});

describe('The choice of a subnet', () => {
  it('It is the first of Docker’s pools that is free', () => {
    expect(chooseSubnet4([], NO_ROUTES)).to.deep.equal({ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }); // prettier-ignore
    expect(chooseSubnet4([block('172.17.0.0/16')], { near: [block('172.18.5.0/24')], far: [block('172.19.1.1/32')] }).subnet).to.equal('172.20.0.0/16'); // prettier-ignore
  });

  it('After the pools of 172 come those of 192.168', () => {
    expect(chooseSubnet4([block('172.16.0.0/12')], NO_ROUTES).subnet).to.equal('192.168.0.0/20');
    const near = [block('192.168.1.0/24')];
    expect(chooseSubnet4([block('172.16.0.0/12')], { near, far: [] }).subnet).to.equal('192.168.16.0/20'); // prettier-ignore
  });

  it('A route through a router is avoided only while there is another choice', () => {
    const far = [block('172.16.0.0/12'), block('192.168.0.0/16')];
    expect(chooseSubnet4([], { near: [], far }).subnet).to.equal('172.17.0.0/16');
    expect(chooseSubnet4([], { near: [], far: far.slice(0, 1) }).subnet).to.equal('192.168.0.0/20');
  });

  it('The pools have a subnet for 31 networks, and none for the next', () => {
    const taken = Array.from({ length: 31 }, () => '').reduce<string[]>(
      (all) => [...all, chooseSubnet4(all.map(block), NO_ROUTES).subnet],
      [],
    );
    expect(new Set(taken).size).to.equal(31);
    expectError(
      () => chooseSubnet4(taken.map(block), NO_ROUTES),
      'ERR_ADDRESSES_EXHAUSTED',
      /all predefined address pools have been fully subnetted/,
    );
  });

  it('A subnet of IPv6 has a random prefix of 64 bits in fd00::/8', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 40n - 1n), (random) => {
        const { subnet, gateway } = chooseSubnet6([], NO_ROUTES, () => random);
        expect(subnet).to.match(/^fd.*\/64$/);
        expect(contains(block('fd00::/8'), parseAddress('ip', gateway))).to.equal(true);
        expect(block(subnet).first >> 80n).to.equal((0xfdn << 40n) | random);
      }),
    );
    const all = Array.from({ length: 50 }, () => chooseSubnet6([], NO_ROUTES).subnet);
    expect(new Set(all).size).to.equal(50);
  });

  it('A prefix that is in use is not chosen', () => {
    const values = [1n, 2n];
    const near = [block('fd00:0:1::/48')];
    const { subnet } = chooseSubnet6([], { near, far: [] }, () => values.shift() ?? 0n);
    expect(subnet).to.equal('fd00:0:2::/64');
    expectError(
      () => chooseSubnet6([], { near: [block('fc00::/7')], far: [] }),
      'ERR_ADDRESSES_EXHAUSTED',
      /cover fd00::\/8/,
    );
  });

  it('The chosen subnet overlaps nothing that is taken', () => {
    const pool = fc.constantFrom(...Array.from({ length: 15 }, (_, at) => block(`172.${17 + at}.0.0/16`)));
    fc.assert(
      fc.property(fc.array(pool, { maxLength: 20 }), (taken) => {
        const { subnet } = chooseSubnet4(taken, NO_ROUTES);
        expect(taken.map(formatBlock)).to.not.include(subnet);
      }),
    );
  }); // prettier-ignore
});
