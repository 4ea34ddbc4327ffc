import { expect } from 'chai';
import fc from 'fast-check';
import { BlockList, isIPv6 } from 'node:net';
import {
  type Address,
  bitsOf,
  type Block,
  blockAround,
  contains,
  containsBlock,
  formatAddress,
  formatBlock,
  lastOf,
  nth,
  overlaps,
  parseAddress,
  parseBlock,
  sizeOf,
} from '../../../lib/base/cidr.js';
import { expectError } from '../support/expect-error.js';

const family = fc.constantFrom<4 | 6>(4, 6);

/** Also with long runs of zeros, which RFC 5952 shortens. */
const address: fc.Arbitrary<Address> = family.chain((family) =>
  fc
    .array(fc.oneof(fc.constant(0n), fc.bigInt(0n, 0xffffn)), {
      minLength: bitsOf(family) / 16,
      maxLength: bitsOf(family) / 16,
    })
    .map((groups) => ({
      family,
      value: groups.reduce((sum, group) => (sum << 16n) | group, 0n),
    })),
);

const block: fc.Arbitrary<Block> = address.chain((address) =>
  fc.nat(bitsOf(address.family)).map((prefix) => blockAround(address, prefix)),
);

/** What Node says of it. */
function nodeContains(block: Block, { family, value }: Address): boolean {
  const list = new BlockList();
  const type = (of: 4 | 6) => (of === 4 ? 'ipv4' : 'ipv6');
  list.addSubnet(formatAddress(nth(block, 0n)), block.prefix, type(block.family));
  return list.check(formatAddress({ family, value }), type(family));
}

const isMapped = ({ family, value }: Address) => family === 6 && value >> 32n === 0xffffn;

describe('Addresses and blocks', () => {
  it('An address that was formatted is read as the same address', () => {
    fc.assert(
      fc.property(address, (address) => {
        expect(parseAddress('ip', formatAddress(address))).to.deep.equal(address);
      }),
    );
  });

  it('IPv6 is formatted as the URL standard has it, which follows RFC 5952', () => {
    fc.assert(
      fc.property(address, (address) => {
        if (address.family === 4) return;
        expect(`[${formatAddress(address)}]`).to.equal(
          new URL(`http://[${formatAddress(address)}]`).hostname,
        );
      }),
    );
  });

  const forms: readonly (readonly [string, string])[] = [
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['::FFFF:c000:0201', '::ffff:c000:201'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['192.0.2.255', '192.0.2.255'],
  ];
  for (const [text, canonical] of forms) {
    it(`The address ${text} is formatted as ${canonical}`, () => {
      expect(formatAddress(parseAddress('ip', text))).to.equal(canonical);
    });
  }

  it('What is no address is refused', () => {
    for (const text of ['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.4/8', ' 1.2.3.4', 'fe80::1%eth0', ':::', '1::2::3', '12345::', undefined, 1n]) // prettier-ignore
      expectError(() => parseAddress('ip', text), 'ERR_INVALID_OPTION', /^ip: .*is not an IPv4 or IPv6 address/); // prettier-ignore
  });

  it('What is no block is refused', () => {
    for (const text of ['', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/-1', '10.0.0.0/8/8', '::/129', '/8', 'x/8', null]) // prettier-ignore
      expectError(() => parseBlock('subnet', text), 'ERR_INVALID_OPTION', /^subnet: .*is not a block of addresses in CIDR notation/); // prettier-ignore
  });

  it('Bits after the prefix are refused, and the error has the block', () => {
    expectError(() => parseBlock('subnet', '10.1.2.3/16'), 'ERR_INVALID_OPTION', /it should be 10\.1\.0\.0\/16/); // prettier-ignore
    expectError(() => parseBlock('subnet', 'fd00::1/64'), 'ERR_INVALID_OPTION', /it should be fd00::\/64/); // prettier-ignore
  });

  it('A block contains what Node says it contains', () => {
    const near = fc.tuple(block, address, fc.boolean()).map(([block, other, inside]) => {
      const same = { family: block.family, value: block.first + (other.value % sizeOf(block)) };
      return [block, inside ? same : other] as const;
    });
    fc.assert(
      fc.property(near, ([block, address]) => {
        // Node takes ::ffff:0:0/96 for IPv4.
        fc.pre(!isMapped(address) && (block.family === 4 || block.prefix > 80 || address.family === 6)); // prettier-ignore
        fc.pre(address.family === block.family);
        expect(contains(block, address)).to.equal(nodeContains(block, address));
      }),
    );
  });

  it('Addresses of a block are in it, and those around it are not', () => {
    fc.assert(
      fc.property(block, fc.bigInt({ min: 0n, max: 2n ** 128n }), (block, n) => {
        expect(contains(block, nth(block, n % sizeOf(block)))).to.equal(true);
        expect(contains(block, lastOf(block))).to.equal(true);
        expect(lastOf(block).value - block.first + 1n).to.equal(sizeOf(block));
        expect(parseBlock('subnet', formatBlock(block))).to.deep.equal(block);
        if (block.first > 0n) expect(contains(block, nth(block, 0n - sizeOf(block) - 1n))).to.equal(false); // prettier-ignore
      }),
    );
  });

  it('Two blocks overlap if and only if an end of one lies in the other', () => {
    const pair = fc.tuple(block, block, fc.boolean()).map(
      ([a, b, related]) =>
      related ? ([a, blockAround(nth(a, b.first % sizeOf(a)), Math.max(0, a.prefix - 3))] as const) : ([a, b] as const), // prettier-ignore
    );
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const same = a.family === b.family;
        const expected = same && a.first <= lastOf(b).value && b.first <= lastOf(a).value;
        expect(overlaps(a, b)).to.equal(expected);
        expect(overlaps(b, a)).to.equal(expected);
        const within = same && a.first <= b.first && lastOf(b).value <= lastOf(a).value;
        expect(containsBlock(a, b)).to.equal(within);
      }),
    );
  });

  it('Any text is an address of Node’s parser, or is refused', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%/'), maxLength: 40 });
    fc.assert(
      fc.property(text, (text) => {
        if (isIPv6(text) && !text.includes('%')) parseAddress('ip', text);
        else if (text.includes(':') || text.includes('/'))
          expectError(() => parseAddress('ip', text), 'ERR_INVALID_OPTION', /is not an IPv4/);
      }),
    );
  });
});
