/* eslint-disable no-template-curly-in-string -- they are Dockerfiles' */
import { expect } from 'chai';
import { expand } from '../../../lib/build/expand.js';
import { rejectionOf } from '../../support/rejection.js';

const values: Readonly<Record<string, string>> = { a: 'A', empty: '', spaced: 'x y', q: '"' };
const of = (word: string, escape = '\\', raw = false) =>
  expand(word, { variables: (name) => values[name], escape, line: 7, raw });

describe('The variables of a Dockerfile', () => {
  for (const [word, result] of [
    ['plain', 'plain'],
    ['$a', 'A'],
    ['x$a.y', 'xA.y'],
    ['${a}b', 'Ab'],
    ['$none.', '.'],
    ['${none:-d}', 'd'],
    ['${empty:-d}', 'd'],
    ['${empty-d}', ''],
    ['${none-d}', 'd'],
    ['${a:+d}', 'd'],
    ['${none:+d}', ''],
    ['${empty:+d}', ''],
    ['${empty+d}', 'd'],
    ['${none:-${a}$a}', 'AA'],
    ['${none:-"a }b"}', 'a }b'],
    ['${a:?must be}', 'A'],
    ["'$a'", '$a'],
    ['"$a"', 'A'],
    ['"${spaced}"', 'x y'],
    ['\\$a', '$a'],
    ['"\\$a\\"\\x"', '$a"\\x'],
    ['a\\ b', 'a b'],
    ['$', '$'],
    ['$-', '$-'],
    ['a\\', 'a\\'],
    ['"it\'s"', "it's"],
    ['$q$a', '"A'],
  ] as const) {
    it(`Turn ${word} into ${result === '' ? 'nothing' : result}`, () => {
      expect(of(word)).to.equal(result);
    });
  }

  it('Are quoted by the escape character of the file', () => {
    expect(of('`$a c:\\$a', '`')).to.equal('$a c:\\A');
  });

  it('Keep quotes and escapes where those are for the shell', () => {
    expect(of(`'$a' "$a \\$" b\\ c`, '\\', true)).to.equal(`'$a' "A \\$" b\\ c`);
  });

  for (const [word, message] of [
    ['${a', 'unsupported modifier'],
    ['${a:-b', 'missing }'],
    ['${}', 'bad substitution'],
    ['${-a}', 'bad substitution'],
    ["'a", 'single-quote'],
    ['"a', 'double-quote'],
    ['${none:?is needed}', 'none: is needed'],
    ['${empty:?}', 'empty: not set'],
    ['${a@b}', 'unsupported modifier in the substitution of a'],
    ['${a:-'.repeat(100), 'nested too deeply'],
  ] as const) {
    it(`Are refused with their line: ${word.slice(0, 20)}`, async () => {
      const error = await rejectionOf(Promise.resolve().then(() => of(word)));
      expect(error.code).to.equal('ERR_INVALID_DOCKERFILE');
      expect(error.message).to.match(/^Dockerfile:7: /).and.include(message);
    });
  }

  it('Have no patterns here, which is said', async () => {
    const error = await rejectionOf(Promise.resolve().then(() => of('${a%.*}')));
    expect(error.message).to.equal('Dockerfile:7: the pattern ${a%…} is not supported');
  });
});
