import { expect } from 'chai';
import {
  attribute,
  decodeAttributes,
  decodeMessages,
  encodeRequest,
  IN_NAMESPACE,
  nested,
  NETLINK,
  text,
  u32,
} from '../../../../lib/network/netlink/message.js';
import { addVeth, decodeLink, GET_LINKS } from '../../../../lib/network/netlink/rtnetlink.js';

describe('Messages of netlink(7)', () => {
  it('They have attributes that are padded to four bytes, and keep their length', () => {
    const name = attribute(3, text('ab'));
    expect(name.toString('hex')).to.equal('0700030061620000');
    expect(nested(18, name).toString('hex')).to.equal('0c0012800700030061620000');
    expect(decodeAttributes(nested(18, name)).get(18)?.toString('hex')).to.equal(
      name.toString('hex'),
    );
  });

  it('They are numbered from 1, and only the last asks for an answer', () => {
    const { bytes, text: lines } = encodeRequest(NETLINK.route, [
      { type: 16, flags: 0x600, body: u32(1), text: 'one' },
      { type: 17, body: Buffer.from([1, 2, 3]), text: 'two' },
    ]);
    expect(lines).to.equal('one\ntwo');
    expect(bytes.readUInt32LE(0)).to.equal(20);
    expect(bytes.readUInt16LE(6)).to.equal(0x601);
    expect(bytes.readUInt32LE(8)).to.equal(1);
    expect(bytes.readUInt32LE(20)).to.equal(19);
    expect(bytes.readUInt16LE(26)).to.equal(0x5);
    expect(bytes.readUInt32LE(28)).to.equal(2);
    expect(bytes).to.have.length(40);
    expect(decodeMessages(bytes).map(({ type, body }) => [type, body.length])).to.deep.equal([
      [16, 4],
      [17, 3],
    ]);
  });

  it('They have one place for the descriptor of a network namespace, which the request tells', () => {
    const pair = {
      name: 'veth0',
      mtu: 1500,
      inside: { name: 'eth0', index: 100, mac: '02:42:0a:00:00:02' },
    };
    const { bytes, namespaceAt = 0 } = encodeRequest(NETLINK.route, [addVeth(pair)]);
    expect(bytes.indexOf(IN_NAMESPACE)).to.equal(namespaceAt - 4);
    expect(bytes.readInt32LE(namespaceAt)).to.equal(-1);
    expect(encodeRequest(NETLINK.route, [GET_LINKS]).namespaceAt).to.equal(undefined);
  });

  it('They are refused when a length leads out of what was received', () => {
    const { bytes } = encodeRequest(NETLINK.route, [GET_LINKS]);
    for (let size = 1; size < bytes.length; size++)
      expect(() => decodeMessages(bytes.subarray(0, size)), String(size)).to.throw('longer than');
    expect(() => decodeAttributes(Buffer.from('0300010000000000', 'hex'))).to.throw('longer than');
    expect(() => decodeAttributes(Buffer.from('0900010000000000', 'hex'))).to.throw('longer than');
  });

  it('They tell of an interface what `ip -d link` tells', () => {
    const body = Buffer.concat([
      Buffer.alloc(4),
      u32(7),
      u32(1),
      u32(0),
      attribute(3, text('br0')),
      attribute(10, u32(4)),
      nested(18, attribute(1, text('veth'))),
    ]);
    expect(decodeLink({ type: 16, body })).to.deep.equal({
      index: 7,
      name: 'br0',
      up: true,
      kind: 'veth',
      bridge: 4,
    });
  });
});
