import { expect } from 'chai';
import { decodeReport } from '../../../../lib/network/names/resolver-report.js';

/** As test/native/name_policy_test.cpp expects it of the resolver, with an IPv6 address besides. */
const REPORT = Buffer.concat([
  Buffer.of(1, 0, 4),
  Buffer.from('evil'),
  Buffer.from('0200000000000000e803000000000000', 'hex'),
  Buffer.of(2, 0),
  Buffer.of(4, 8, 8, 0, 1, 1),
  Buffer.from('a'),
  Buffer.of(6),
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.of(3),
  Buffer.from('b.c'),
]);

describe('The report of a container’s names', () => {
  it('The names that were refused, with counts and times, and the addresses that were opened', () => {
    expect(decodeReport(REPORT)).to.deep.equal({
      denied: [{ host: 'evil', count: 2, first: new Date(1000) }],
      opened: [
        { address: '8.8.0.1', host: 'a' },
        { address: '2001:db8::1', host: 'b.c' },
      ],
    });
    expect(decodeReport(Buffer.alloc(4))).to.deep.equal({ denied: [], opened: [] });
  });

  it('One that ends too early is an error', () => {
    for (let size = 0; size < REPORT.length; size++)
      expect(() => decodeReport(REPORT.subarray(0, size)), String(size)).to.throw(RangeError);
  });
});
