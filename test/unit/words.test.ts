import { expect } from 'chai';
import fc from 'fast-check';
import { Words } from '../../lib/engine/words.js';

describe('words of a start', () => {
  const argv = ['sh', '-c', 'true'];
  const options = { memory: '64m', env: { A: '1' }, mounts: [{ source: '/a', target: '/b' }] };
  const words = Words.of(argv, options)!;

  it('are the same, whoever says them', () => {
    expect(words.are([...argv], structuredClone(options))).to.equal(true);
    expect(words.are(argv, { ...options, cpus: undefined })).to.equal(true);
    expect(words.are(argv, { ...options, signal: new AbortController().signal })).to.equal(true);
  });

  it('are others as soon as anything is', () => {
    for (const other of [
      [['sh', '-c'], options],
      [[...argv, ''], options],
      ['sh', options],
      [argv, {}],
      [argv, { ...options, memory: '64M' }],
      [argv, { ...options, memory: undefined }],
      [argv, { ...options, env: { A: 1 } }],
      [argv, { ...options, env: { A: '1', B: '2' } }],
      [argv, { ...options, env: ['A=1'] }],
      [argv, { ...options, mounts: [] }],
      [argv, { ...options, mounts: { 0: options.mounts[0] } }],
      [argv, { ...options, tty: false }],
      [argv, { ...options, toString: 'own' }],
      [argv, undefined],
    ])
      expect(words.are(...(other as [unknown, unknown])), JSON.stringify(other)).to.equal(false);
  });

  it('stay what they were, when what they were said with changes', () => {
    const env: Record<string, string> = { A: '1' };
    const said = { env };
    const before = Words.of(argv, said)!;
    env['A'] = '2';
    expect(before.are(argv, said)).to.equal(false);
    expect(before.are(argv, { env: { A: '1' } })).to.equal(true);
  });

  it('are none of what is not plain data', () => {
    class Options {
      memory = '64m';
    }
    for (const other of [
      new Options(),
      Object.create(options) as object,
      { env: new Map([['A', '1']]) },
      { memory: () => 1 },
      { memory: Symbol('m') },
      null,
    ])
      expect(Words.of(argv, other)).to.equal(undefined);
    expect(Words.of('sh', {})).to.equal(undefined);
    const endless: Record<string, unknown> = {};
    endless['env'] = endless;
    expect(Words.of(argv, endless)).to.equal(undefined);
    expect(words.are(argv, endless)).to.equal(false);
    // Nor is such an object taken for what was plain.
    expect(Words.of(argv, { memory: '64m' })!.are(argv, new Options())).to.equal(false);
  });

  it('are told apart as their JSON is', () => {
    const data = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(data, data, (one, other) => {
        const sorted = (value: unknown): unknown =>
          typeof value !== 'object' || value === null
            ? Object.is(value, -0)
              ? 0
              : value
            : Array.isArray(value)
              ? value.map(sorted)
              : Object.fromEntries(
                  Object.entries(value)
                    .sort(([a], [b]) => (a < b ? -1 : 1))
                    .map(([name, of]) => [name, sorted(of)]),
                );
        const expected = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
        expect(Words.of([], one)?.are([], other) ?? false).to.equal(expected);
        expect(Words.of([], one)?.are([], one) ?? true).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });
});
