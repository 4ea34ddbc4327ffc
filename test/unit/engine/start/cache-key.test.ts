import { expect } from 'chai';
import fc from 'fast-check';
import { CacheKey } from '../../../../lib/engine/start/cache-key.js';
import { sampleSize } from '../../../support/sample.js';

describe('cache keys of starts', () => {
  const options = { memory: '64m', labels: { A: '1' }, mounts: [{ source: '/a', target: '/b' }] };
  const key = CacheKey.of(options)!;

  it('Cache keys are the same for the same options', () => {
    expect(key.matches(structuredClone(options))).to.equal(true);
    expect(key.matches({ ...options, cpus: undefined })).to.equal(true);
    expect(key.matches({ ...options, signal: new AbortController().signal })).to.equal(true);
  });

  it('C8: cache keys are the same whatever the environment is, which each start has of its own', () => {
    expect(key.matches({ ...options, env: { A: '1' } })).to.equal(true);
    expect(
      CacheKey.of({ ...options, env: process.env })!.matches({ ...options, env: ['B=2'] }),
    ).to.equal(true);
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
      expect(key.matches(other), JSON.stringify(other)).to.equal(false);
  });

  it('Cache keys stay what they were, when their options change later', () => {
    const labels: Record<string, string> = { A: '1' };
    const said = { labels };
    const before = CacheKey.of(said)!;
    labels['A'] = '2';
    expect(before.matches(said)).to.equal(false);
    expect(before.matches({ labels: { A: '1' } })).to.equal(true);
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
      expect(CacheKey.of(other)).to.equal(undefined);
    const endless: Record<string, unknown> = {};
    endless['labels'] = endless;
    expect(CacheKey.of(endless)).to.equal(undefined);
    expect(key.matches(endless)).to.equal(false);
    // Nor is such an object taken for what was plain.
    expect(CacheKey.of({ memory: '64m' })!.matches(new Options())).to.equal(false);
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
        expect(CacheKey.of(one)?.matches(other) ?? false).to.equal(expected);
        expect(CacheKey.of(one)?.matches(one) ?? true).to.equal(true);
      }),
      { numRuns: sampleSize(300) },
    );
  });
});
