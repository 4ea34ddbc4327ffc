import { expect } from 'chai';
import { same } from '../../../lib/engine/start/cache-key.js';
import { COMMAND_TEXTS, isOwnText, OwnTexts } from '../../../lib/program/own-texts.js';

describe('the texts that a start has of its own', () => {
  const plan = (address: string, position: number, more?: object) => ({
    request: { text: address, bytes: Buffer.from(address), position, missing: undefined },
    claims: [{ file: `/claims/${address}` }],
    ...more,
  });

  it('Each text of a plan is taken, and nothing else', () => {
    const own = new OwnTexts();
    const { request, claims } = own.takeAll(plan('10.0.0.1', 8));
    expect(request).to.deep.equal({
      text: { own: COMMAND_TEXTS },
      bytes: { own: COMMAND_TEXTS + 1 },
      position: 8,
      missing: undefined,
    });
    expect(claims).to.deep.equal([{ file: { own: COMMAND_TEXTS + 2 } }]);
    for (const [text, value] of [
      [request.text, '10.0.0.1'],
      [request.bytes, Buffer.from('10.0.0.1')],
      [claims[0]?.file, '/claims/10.0.0.1'],
    ] as const) {
      if (text === undefined || !isOwnText(text)) throw new Error('it was not taken');
      expect(own.textOf(text)).to.deep.equal(value);
    }
    expect(() => own.textOf({ own: COMMAND_TEXTS + 3 })).to.throw(/no text of its own/);
    expect(() => own.textOf({ own: 0 })).to.throw(/no text of its own/);
  });

  it('Plans that differ in texts alone are the same without them, and no others', () => {
    const taken = (what: object) => new OwnTexts().takeAll(what);
    const first = taken(plan('10.0.0.1', 8));
    expect(same(taken(plan('192.168.0.200', 8)), first)).to.equal(true);
    expect(same(taken(plan('10.0.0.1', 12)), first)).to.equal(false);
    expect(same(taken(plan('10.0.0.1', 8, { stale: { text: '' } })), first)).to.equal(false);
    expect(same(first, taken(plan('10.0.0.1', 8, { stale: { text: '' } })))).to.equal(false);
    expect(same(taken(plan('10.0.0.1', 8, { claims: [] })), first)).to.equal(false);
  });

  it('Bytes and texts are not mistaken for places of them', () => {
    expect(isOwnText('own')).to.equal(false);
    expect(isOwnText(Buffer.from('own'))).to.equal(false);
    expect(isOwnText({ own: 0 })).to.equal(true);
  });
});
