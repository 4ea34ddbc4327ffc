import { expect } from 'chai';
import fc from 'fast-check';
import { elementsOf } from '../../../../lib/network/policy/boxes.js';
import type { AddressRule } from '../../../../lib/network/policy/rules.js';

/** Small ones, so that they often overlap. */
const rule: fc.Arbitrary<AddressRule> = fc
  .record({
    first: fc.bigInt({ min: 0n, max: 12n }),
    size: fc.bigInt({ min: 0n, max: 6n }),
    protocol: fc.constantFrom(undefined, 6, 17),
    from: fc.integer({ min: 0, max: 6 }),
    count: fc.integer({ min: 0, max: 4 }),
  })
  .map(({ first, size, protocol, from, count }) => ({
    family: 4,
    first,
    last: first + size,
    protocol,
    ports: protocol === undefined ? undefined : [from, from + count],
  }));

describe('Rules as ranges without overlaps', () => {
  it('Each key of a rule is in one range, and no other key in any', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), (rules) => {
        const elements = elementsOf(rules, 4);
        for (let address = 0; address < 20; address++)
          for (const protocol of [1, 6, 17])
            for (let port = 0; port < 12; port++) {
              const matches = rules.some(
                (each) =>
                  each.first <= address &&
                  address <= each.last &&
                  (each.protocol ?? protocol) === protocol &&
                  (each.ports?.[0] ?? 0) <= port &&
                  port <= (each.ports?.[1] ?? 65_535),
              );
              const count = elements.filter(({ key, keyEnd }) => {
                const [low, high] = [Buffer.from(key), Buffer.from(keyEnd ?? key)];
                return (
                  low.readUInt32BE(0) <= address &&
                  address <= high.readUInt32BE(0) &&
                  low[4]! <= protocol &&
                  protocol <= high[4]! &&
                  low.readUInt16BE(8) <= port &&
                  port <= high.readUInt16BE(8)
                );
              }).length;
              expect(count).to.equal(matches ? 1 : 0);
            }
      }),
    );
  });
});
