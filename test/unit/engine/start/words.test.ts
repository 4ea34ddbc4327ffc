import { expect } from 'chai';
import fc from 'fast-check';
import { Words } from '../../../../lib/engine/start/words.js';
import { sampleSize } from '../../../support/sample.js';

describe('words of a start', () => {
  const options = { memory: '64m', labels: { A: '1' }, mounts: [{ source: '/a', target: '/b' }] };
  const words = Words.of(options)!;

  it('Cache keys are the same for the same options', () => {
    expect(words.are(structuredClone(options))).to.equal(true);
    expect(words.are({ ...options, cpus: undefined })).to.equal(true);
    expect(words.are({ ...options, signal: new AbortController().signal })).to.equal(true);
  });

  it('C8: cache keys are the same whatever the environment is, which each start has of its own', () => {
    expect(words.are({ ...options, env: { A: '1' } })).to.equal(true);
    expect(Words.of({ ...options, env: process.env })!.are({ ...options, env: ['B=2'] })).to.equal(
      true,
    );
  });

  it('Cache keys differ as soon as anything does', () => {
    for (const other of [
      {},
      { ...options, memory: '64M' },
      { ...options, memory: undefined },
      { ...options, labels: { A: 1 } },
      { ...options, labels: { A: '1', B: '2' } },
      { ...options, labels: ['A=1'] },
      { ...options, mounts: [] },
      { ...options, mounts: { 0: options.mounts[0] } },
      { ...options, tty: false },
      { ...options, toString: 'own' },
      undefined,
    ])
      expect(words.are(other), JSON.stringify(other)).to.equal(false);
  });

  it('Cache keys stay what they were, when their options change later', () => {
    const labels: Record<string, string> = { A: '1' };
    const said = { labels };
    const before = Words.of(said)!;
    labels['A'] = '2';
    expect(before.are(said)).to.equal(false);
    expect(before.are({ labels: { A: '1' } })).to.equal(true);
  });

  it('Cache keys are none of what is not plain data', () => {
    class Options {
      memory = '64m';
    }
    for (const other of [
      new Options(),
      Object.create(options) as object,
      { labels: new Map([['A', '1']]) },
      { memory: () => 1 },
      { memory: Symbol('m') },
      null,
    ])
      expect(Words.of(other)).to.equal(undefined);
    const endless: Record<string, unknown> = {};
    endless['labels'] = endless;
    expect(Words.of(endless)).to.equal(undefined);
    expect(words.are(endless)).to.equal(false);
    // Nor is such an object taken for what was plain.
    expect(Words.of({ memory: '64m' })!.are(new Options())).to.equal(false);
  });

  it('Cache keys are told apart as their JSON is', () => {
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
        expect(Words.of(one)?.are(other) ?? false).to.equal(expected);
        expect(Words.of(one)?.are(one) ?? true).to.equal(true);
      }),
      { numRuns: sampleSize(300) },
    );
  });
});
