import { expect } from 'chai';
import { decodeMessages } from '../../../../lib/network/netlink/message.js';
import {
  addElements,
  addSet,
  batch,
  concatenation,
  deleteElements,
  type Element,
} from '../../../../lib/network/firewall/nft-messages.js';
import { TABLE, tableRequest } from '../../../../lib/network/firewall/ruleset.js';

const NLM_F_ACK = 4;

describe('Messages of nf_tables', () => {
  it('They are between the begin and the end of a batch, and the last of them asks for an answer', () => {
    const { protocol, bytes, text } = tableRequest();
    expect(protocol).to.equal(12);
    const messages = decodeMessages(bytes);
    expect(messages).to.have.length(text.split('\n').length);
    expect(messages.at(0)?.type).to.equal(0x10);
    expect(messages.at(-1)?.type).to.equal(0x11);
    for (const { type } of messages.slice(1, -1)) expect(type >> 8).to.equal(10);
    const flags: number[] = [];
    for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at))
      flags.push(bytes.readUInt16LE(at + 6));
    expect(flags.map((each) => (each & NLM_F_ACK) !== 0).lastIndexOf(true)).to.equal(
      messages.length - 2,
    );
    expect(flags.filter((each) => (each & NLM_F_ACK) !== 0)).to.have.length(1);
  });

  it('A concatenation has each field at a multiple of four bytes', () => {
    expect(concatenation(Buffer.of(6), Buffer.of(0, 80)).toString('hex')).to.equal(
      '0600000000500000',
    );
    expect(concatenation()).to.have.length(0);
  });

  it('A set has the type that nft(8) shows, six bits for each field, and the size of its registers', () => {
    const { body: bytes, text } = addSet(
      TABLE,
      { name: 'x', key: ['inet_proto', 'inet_service'], data: ['ipv4_addr'] },
      7,
    );
    expect(text).to.equal('add map inet caisson x { type inet_proto . inet_service : ipv4_addr; }');
    const body = Buffer.from(bytes);
    const number = (value: number) => Buffer.of(0, 0, value >> 8, value & 0xff);
    // NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN
    expect(body.includes(Buffer.concat([Buffer.of(8, 0, 4, 0), number((12 << 6) | 13)]))).to.equal(
      true,
    );
    expect(body.includes(Buffer.concat([Buffer.of(8, 0, 5, 0), number(8)]))).to.equal(true);
  });

  it('Many elements are in several messages, none of which is too long for its attribute', () => {
    const elements = Array.from({ length: 3000 }, (_, at): Element => ({
      key: Buffer.alloc(20, at),
      data: Buffer.alloc(8),
      text: String(at),
    }));
    for (const messages of [
      addElements(TABLE, 'x', elements),
      deleteElements(TABLE, 'x', elements),
    ]) {
      expect(messages.length).to.be.greaterThan(2);
      for (const { body } of messages) expect(body.length).to.be.lessThan(0x10000);
      const decoded = decodeMessages(batch(messages).bytes);
      expect(decoded).to.have.length(messages.length + 2);
    }
    expect(addElements(TABLE, 'x', elements)[0]?.text).to.match(
      /^add element inet caisson x \{ 0, 1, 2, 3, 4, 5, … \d+ more \}$/,
    );
    expect(addElements(TABLE, 'x', [])).to.deep.equal([]);
  });
});
