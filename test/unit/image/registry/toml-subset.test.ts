/** The part of TOML that registries.conf uses. */
import { expect } from 'chai';
import fc from 'fast-check';
import { parseToml, TomlError } from '../../../../lib/image/registry/toml-subset.js';
import { sampleSize } from '../../../support/sample.js';

const plain = (text: string): unknown => JSON.parse(JSON.stringify(parseToml(text)));

describe('TOML of registries.conf', () => {
  const texts: readonly (readonly [text: string, value: object])[] = [
    ['', {}],
    ['# a\n\n  # b\n', {}],
    ['a = "b" # c', { a: 'b' }],
    ['a = "b"\r\nc = \'d\\n\'\r\n', { a: 'b', c: 'd\\n' }],
    ['a = "\\t\\"\\\\\\u00e9\\U0001F600"', { a: '\t"\\é😀' }],
    ['a = true\nb = false\nc = -12', { a: true, b: false, c: -12 }],
    ['a = [ "b", # c\n "d",\n]\ne = []', { a: ['b', 'd'], e: [] }],
    ['a = [[1], [2, 3]]', { a: [[1], [2, 3]] }],
    ['a = { b = 1, "c d" = "e" }\nf = {}', { a: { b: 1, 'c d': 'e' }, f: {} }],
    ['a.b."c.d" = 1', { a: { b: { 'c.d': 1 } } }],
    ['[a]\nb = 1\n[a.c]\nd = 2', { a: { b: 1, c: { d: 2 } } }],
    ['[a.b]\nc = 1\n[a]\nd = 2', { a: { b: { c: 1 }, d: 2 } }],
    ['[[a]]\nb = 1\n[[a.c]]\nd = 2\n[[a.c]]\n[[a]]\n[a.e]\nf = 3', { a: [{ b: 1, c: [{ d: 2 }, {}] }, { e: { f: 3 } }] }], // prettier-ignore
  ];
  for (const [text, value] of texts)
    it(`The text ${JSON.stringify(text).slice(0, 60)} is read`, () => {
      expect(plain(text)).to.deep.equal(value);
    });

  const refused: readonly (readonly [text: string, message: RegExp])[] = [
    ['a', /line 1: = is missing/],
    ['= 1', /a key is missing/],
    ['a =', /a value is missing/],
    ['a = b', /the value b is not supported/],
    ['a = 1.5', /not supported/],
    ['a = 2020-01-01', /not supported/],
    ['\n\na = "b', /line 3/],
    ['a = "b\nc"', /value is missing/],
    ['a = "\\x"', /no escape sequence/],
    ['a = "\\UFFFFFFFF"', /no escape sequence/],
    ["a = '''b'''", /several lines/],
    ['a = 1 b = 2', /something follows/],
    ['a = 1\na = 2', /a is there twice/],
    ['a = 1\n[a]', /a is no table/],
    ['[a]\n[a]', /there twice/],
    ['a = 1\n[[a]]', /no list of tables/],
    ['[a', /\] is missing/],
    ['[[a]', /\]\] is missing/],
    ['a = [1', /\] is missing/],
    [`a = ${'['.repeat(10_000)}`, /too deeply/],
    [`a = ${'{a='.repeat(10_000)}`, /too deeply/],
    [' '.repeat(1_100_000), /more than/],
  ];
  for (const [text, message] of refused)
    it(`The text ${JSON.stringify(text).slice(0, 60)} is refused`, () => {
      expect(() => parseToml(text)).to.throw(TomlError, message);
    });

  it('A key may have any name', () => {
    const { ['__proto__']: value } = parseToml('__proto__ = "x"\n[constructor]\n');
    expect(value).to.equal('x');
    expect(({} as Record<string, unknown>)['x']).to.equal(undefined);
  });

  it('Any text is read or refused', () => {
    const parts = fc.constantFrom('a', '=', '"', "'", '[', ']', '{', '}', ',', '.', '\n', '#', ' ', '\\', 'true', '1'); // prettier-ignore
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 60 }), (all) => {
        try {
          parseToml(all.join(''));
        } catch (error) {
          expect(error).to.be.instanceOf(TomlError);
        }
      }),
      { numRuns: sampleSize(3000) },
    );
  });
});
