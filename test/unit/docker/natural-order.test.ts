import { expect } from 'chai';
import fc from 'fast-check';
import { naturalOrder } from '../../../lib/docker/natural-order.js';

describe('The natural order of names', () => {
  it('Digits count as numbers', () => {
    const names = ['web10', 'web2', 'a', 'web', 'web2a', 'B', '10', '9', 'web02'];
    expect(names.sort(naturalOrder)).to.deep.equal(['9', '10', 'B', 'a', 'web', 'web02', 'web2', 'web2a', 'web10']); // prettier-ignore
  });

  it('It is an order', () => {
    const name = fc.string({ unit: fc.constantFrom(...'0123ab_-'), maxLength: 8 });
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(naturalOrder(a, b)).to.equal(0 - naturalOrder(b, a));
        expect(naturalOrder(a, b) === 0).to.equal(a === b);
        if (naturalOrder(a, b) < 0 && naturalOrder(b, c) < 0)
          expect(naturalOrder(a, c)).to.equal(-1);
      }),
    );
  });
});
