/** The header WWW-Authenticate, which a registry writes as it likes. */
import { expect } from 'chai';
import fc from 'fast-check';
import { parseChallenges } from '../../../../lib/image/registry/challenge.js';
import { parseRetryAfter } from '../../../../lib/image/registry/retry.js';
import { sampleSize } from '../../../support/sample.js';

const read = (header: string | undefined) =>
  parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);

describe('challenges of registries', () => {
  const headers: readonly (readonly [
    header: string | undefined,
    challenges: readonly unknown[],
  ])[] = [
    [undefined, []],
    ['', []],
    ['Basic', [['basic', {}]]],
    ['Basic realm="a b"', [['basic', { realm: 'a b' }]]],
    ['Bearer realm="https://a/t",service=s , scope="a:b:c,d"', [['bearer', { realm: 'https://a/t', service: 's', scope: 'a:b:c,d' }]]], // prettier-ignore
    ['Basic realm="x", Bearer realm="y",service="z"', [['basic', { realm: 'x' }], ['bearer', { realm: 'y', service: 'z' }]]], // prettier-ignore
    [
      'Negotiate, Basic REALM=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['Basic realm="a\\"b\\\\"', [['basic', { realm: 'a"b\\' }]]],
    ['Basic realm="a", realm="b"', [['basic', { realm: 'a' }]]],
    ['Basic realm="open', [['basic', {}]]],
    ['realm="a"', []],
    ['Basic ="a"', []],
    [`Basic realm="${'x'.repeat(9000)}"`, []],
    ['A,'.repeat(100), Array(8).fill(['a', {}])],
  ];
  for (const [header, challenges] of headers)
    it(`The header ${String(JSON.stringify(header)).slice(0, 60)} is read`, () => {
      expect(read(header)).to.deep.equal(challenges);
    });

  it('Any header is read, up to what is malformed', () => {
    const parts = fc.constantFrom('Basic', ' ', ',', '=', '"', '\\', 'a', '\t', 'é', ';');
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 200 }), (all) => {
        expect(parseChallenges(all.join('')).length).to.be.at.most(8);
      }),
      { numRuns: sampleSize(2000) },
    );
  });

  it('Retry-After is a number of seconds or a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    const values: readonly (readonly [string | undefined, number])[] = [
      [undefined, 0],
      ['5', 5000],
      [' 7 ', 7000],
      ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
      ['Thu, 01 Jan 2025 00:00:10 GMT', 0],
      ['soon', 0],
      ['-5', 0],
    ];
    for (const [value, expected] of values)
      expect(parseRetryAfter(value, now), value).to.equal(expected);
  });
});
