import { expect } from 'chai';
import fc from 'fast-check';
import { BlockList } from 'node:net';
import { addressBytes, addressText } from '../../../lib/base/ip-address.js';

describe('IP addresses as bytes', () => {
  it('They are read from every form of RFC 4291', () => {
    const hex = (address: string) => addressBytes(address).toString('hex');
    expect(hex('10.1.2.255')).to.equal('0a0102ff');
    expect(hex('::')).to.equal('0'.repeat(32));
    expect(hex('::1')).to.equal(`${'0'.repeat(31)}1`);
    expect(hex('2001:db8::a:1')).to.equal('20010db80000000000000000000a0001');
    expect(hex('fe80::')).to.equal(`fe80${'0'.repeat(28)}`);
    expect(hex('1:2:3:4:5:6:7:8')).to.equal('00010002000300040005000600070008');
    expect(hex('::ffff:1.2.3.4')).to.equal('00000000000000000000ffff01020304');
    expect(hex('64:ff9b::1.2.3.4')).to.equal('0064ff9b000000000000000001020304');
    for (const wrong of ['', '1.2.3', '1.2.3.4.5', '1:2', ':::', 'fe80::1%eth0', '::1/64', 'x'])
      expect(() => addressBytes(wrong), wrong).to.throw(TypeError);
  });

  it('They are written as RFC 5952 recommends', () => {
    for (const address of [
      '10.0.0.1',
      '::',
      '::1',
      '1::',
      '2001:db8::1',
      '2001:db8:0:1:1:1:1:1',
      '2001:0:0:1::1',
      '1:2:3:4:5:6:7:8',
    ])
      expect(addressText(addressBytes(address))).to.equal(address);
    expect(addressText(addressBytes('2001:DB8:0:0:1:0:0:1'))).to.equal('2001:db8::1:0:0:1');
  });

  it('They are the same when they are written and read again, as Node reads them too', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ minLength: 4, maxLength: 4 }),
          fc.uint8Array({ minLength: 16, maxLength: 16 }),
          fc
            .uint8Array({ minLength: 16, maxLength: 16 })
            .map((bytes) => bytes.map((byte) => (byte < 128 ? 0 : byte))),
        ),
        (bytes) => {
          const text = addressText(bytes);
          expect([...addressBytes(text)]).to.deep.equal([...bytes]);
          const family = bytes.length === 4 ? 'ipv4' : 'ipv6';
          const list = new BlockList();
          list.addAddress(text, family);
          expect(list.check(text, family)).to.equal(true);
        },
      ),
    );
  });
});
