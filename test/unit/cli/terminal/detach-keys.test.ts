import { expect } from 'chai';
import fc from 'fast-check';
import { once } from 'node:events';
import {
  DetachFilter,
  DetachMatcher,
  parseDetachKeys,
} from '../../../../lib/cli/terminal/detach-keys.js';
import { expectError } from '../../support/expect-error.js';
import { sampleSize } from '../../../support/sample.js';

function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

describe('detach keys', () => {
  it('Detach keys are read', () => {
    expect([...parseDetachKeys(undefined)]).to.deep.equal([16, 17]);
    expect([...parseDetachKeys('')]).to.deep.equal([16, 17]);
    expect([...parseDetachKeys('ctrl-p,ctrl-q')]).to.deep.equal([16, 17]);
    expect([
      ...parseDetachKeys('a,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL,Z'),
    ]).to.deep.equal([97, 0, 27, 28, 29, 30, 31, 127, 90]);
    expect([...parseDetachKeys('ctrl-A')]).to.deep.equal([1]);
  });

  for (const text of [
    'ctrl-',
    'ctrl-1',
    'ctrl-pq',
    'ab',
    'a,,b',
    ',',
    'a,',
    'é',
    'CTRL-p',
    'ctrl-é',
  ]) {
    it(`Detach keys cannot be ${text}`, () => {
      expectError(() => parseDetachKeys(text), 'ERR_INVALID_OPTION', /^detach-keys: .*unknown key/);
    });
  }
});

describe('the search for detach keys', () => {
  function feed(
    keys: string,
    ...chunks: readonly string[]
  ): { readonly text: string; readonly at: number } {
    const matcher = new DetachMatcher(bytes(keys));
    let text = '';
    for (const [at, chunk] of chunks.entries()) {
      const { pass, detached } = matcher.push(bytes(chunk));
      text += Buffer.from(pass).toString('latin1');
      if (detached) return { text, at };
    }
    text += Buffer.from(matcher.flush()).toString('latin1');
    return { text, at: -1 };
  }

  it('The search passes what is none', () => {
    expect(feed('pq', 'hello', 'p', 'x', 'q')).to.deep.equal({ text: 'hellopxq', at: -1 });
  });

  it('The search finds them in one chunk, in two, and among others', () => {
    expect(feed('pq', 'pq')).to.deep.equal({ text: '', at: 0 });
    expect(feed('pq', 'p', 'q')).to.deep.equal({ text: '', at: 1 });
    expect(feed('pq', 'abpqcd')).to.deep.equal({ text: 'ab', at: 0 });
    expect(feed('q', 'abq')).to.deep.equal({ text: 'ab', at: 0 });
  });

  it('The search holds a beginning back until it is none', () => {
    const matcher = new DetachMatcher(bytes('pq'));
    expect(matcher.push(bytes('ap')).pass).to.deep.equal(new Uint8Array(bytes('a')));
    expect(Buffer.from(matcher.push(bytes('z')).pass).toString()).to.equal('pz');
    expect(Buffer.from(matcher.push(bytes('p')).pass).toString()).to.equal('');
    expect(Buffer.from(matcher.flush()).toString()).to.equal('p');
    expect(Buffer.from(matcher.flush()).toString()).to.equal('');
  });

  it('The search does not lose a beginning inside a beginning', () => {
    expect(feed('pq', 'ppq')).to.deep.equal({ text: 'p', at: 0 });
    expect(feed('aab', 'aaaab')).to.deep.equal({ text: 'aa', at: 0 });
    expect(feed('abac', 'ab', 'ab', 'ac')).to.deep.equal({ text: 'ab', at: 2 });
    expect(feed('abcabd', 'abcabcabd')).to.deep.equal({ text: 'abc', at: 0 });
  });

  it('The search agrees with a search of the whole, however it is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 }),
        fc.array(letters, { maxLength: 8 }),
        (keys, chunks) => {
          const whole = chunks.join('');
          const found = whole.indexOf(keys);
          const { text, at } = feed(keys, ...chunks);
          expect(text).to.equal(found < 0 ? whole : whole.slice(0, found));
          expect(at >= 0).to.equal(found >= 0);
        },
      ),
      { numRuns: sampleSize(3000) },
    );
  });
});

describe('the detach filter', () => {
  it('The filter ends at the keys, and says so once', async () => {
    const filter = new DetachFilter(Uint8Array.of(16, 17));
    let detached = 0;
    filter.on('detach', () => detached++);
    const seen: Buffer[] = [];
    filter.on('data', (chunk: Buffer) => seen.push(chunk));
    filter.write('ab\x10');
    filter.write('c\x10\x11after');
    filter.write('\x10\x11');
    await once(filter, 'end');
    expect(Buffer.concat(seen).toString()).to.equal('ab\x10c');
    expect(detached).to.equal(1);
  });

  it('The filter lets go of what it held when the input ends', async () => {
    const filter = new DetachFilter(Uint8Array.of(16, 17));
    filter.on('detach', () => expect.fail('not asked for'));
    const seen: Buffer[] = [];
    filter.on('data', (chunk: Buffer) => seen.push(chunk));
    filter.end('x\x10');
    await once(filter, 'end');
    expect(Buffer.concat(seen).toString()).to.equal('x\x10');
  });
});
