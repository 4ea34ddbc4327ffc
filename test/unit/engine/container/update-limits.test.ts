import { expect } from 'chai';
import fc from 'fast-check';
import { detectCgroups } from '../../../../lib/cgroup/detect.js';
import type { CgroupLayout } from '../../../../lib/cgroup/layout.js';
import { planCgroups } from '../../../../lib/cgroup/limits/plan.js';
import type { RunOptions } from '../../../../lib/engine/options/options.js';
import { normalizeResources } from '../../../../lib/engine/options/resources.js';
import { NO_SOURCES } from '../../../../lib/engine/spec/sources.js';
import { limitsOf } from '../../../../lib/engine/spec/to-spec.js';
import { CaissonError } from '../../../../lib/base/errors.js';
import {
  mergeResources,
  planUpdate,
  type ResourceChange,
} from '../../../../lib/engine/container/update-limits.js';
import { comountedV1, hybrid, readersOf, systemdV2 } from '../../../support/cgroup-machines.js';
import { expectError } from '../../support/expect-error.js';
import { sampleSize } from '../../../support/sample.js';

const ID = '4f'.repeat(32);
const HOST = { cpus: '0-3', mems: '0' };

function writes(layout: CgroupLayout, current: RunOptions, change: ResourceChange): string[] {
  const options = mergeResources(current, change, layout);
  const plan = planUpdate({ layout, host: HOST }, ID, current, options);
  return plan.writes.map(({ file, value }) => `${file}=${value}`);
}

describe('updates as file writes', () => {
  const machines = { v2: systemdV2, v1: comountedV1, hybrid };
  const layouts: Record<string, CgroupLayout> = {};

  before(async () => {
    for (const [name, machine] of Object.entries(machines))
      layouts[name] = await detectCgroups(readersOf(machine));
  });

  it('An update becomes writes in v2', () => {
    const { v2 } = layouts;
    expect(writes(v2!, { memory: '64m' }, { memory: '128m' })).to.deep.equal([
      'memory.max=134217728',
      'memory.swap.max=0',
    ]);
    expect(writes(v2!, { memory: '64m', memorySwap: '1g' }, { memory: '128m' })).to.deep.equal([
      'memory.max=134217728',
      'memory.swap.max=939524096',
    ]);
    expect(writes(v2!, { memory: '64m' }, { memorySwap: -1 })).to.deep.equal([
      'memory.swap.max=max',
    ]);
    expect(writes(v2!, { memory: '64m' }, { memory: 0 })).to.deep.equal([
      'memory.max=max',
      'memory.swap.max=max',
    ]);
    expect(
      writes(
        v2!,
        { cpus: 1, cpuShares: 2, pidsLimit: 5 },
        { cpus: 0, cpuShares: 0, pidsLimit: -1 },
      ),
    ).to.deep.equal(['cpu.weight=100', 'cpu.max=max 100000', 'pids.max=max']);
    expect(writes(v2!, { cpusetCpus: '1' }, { cpusetCpus: '' })).to.deep.equal(['cpuset.cpus=0-3']);
  });

  it('C5: limits that depend on each other are refused together, whichever of them changes', () => {
    const refused: readonly (readonly [RunOptions, ResourceChange])[] = [
      [{ memory: '64m' }, { memory: '129m' }],
      [{ memory: '64m', memorySwap: 0 }, { memory: '129m' }],
      [{ memory: '64m', memorySwap: '100m' }, { memory: '101m' }],
      [{ memory: '64m', memorySwap: '100m' }, { memorySwap: '63m' }],
      [{ memory: '64m', memorySwap: '100m' }, { memory: 0 }],
      [{}, { memorySwap: '100m' }],
      [{ memory: '64m', memoryReservation: '64m' }, { memory: '63m' }],
      [{ memory: '64m' }, { memoryReservation: '65m' }],
      [{ cpus: 1 }, { cpuQuota: 50_000 }],
      [{ cpus: 1 }, { cpuPeriod: 50_000 }],
      [{ cpuQuota: 50_000 }, { cpus: 1 }],
    ];
    for (const [name, layout] of Object.entries(layouts))
      for (const [current, change] of refused) {
        const what = `${name}: ${JSON.stringify([current, change])}`;
        expect(() => writes(layout, current, change), what).to.throw(CaissonError);
      }
    for (const layout of Object.values(layouts)) {
      expect(() => writes(layout, { memory: '64m' }, { memory: '128m' })).not.to.throw();
      expect(() =>
        writes(layout, { memory: '64m' }, { memory: '129m', memorySwap: -1 }),
      ).not.to.throw();
    }
  });

  it('An update becomes writes in v1', () => {
    const { v1 } = layouts;
    expect(writes(v1!, { cpus: 1 }, { cpus: 2 })).to.deep.equal(['cpu.cfs_quota_us=200000']);
    expect(writes(v1!, { cpus: 1 }, { cpus: 0 })).to.deep.equal(['cpu.cfs_quota_us=-1']);
    expect(writes(v1!, { cpuPeriod: 5000 }, { cpuPeriod: 0 })).to.deep.equal([
      'cpu.cfs_period_us=100000',
    ]);
    expect(writes(v1!, { memoryReservation: '64m' }, { memoryReservation: 0 })).to.deep.equal([
      'memory.soft_limit_in_bytes=-1',
    ]);
  });

  it('An update of what cannot be changed is refused, whatever its value', () => {
    for (const name of ['workdir', 'memorySwappiness', 'deviceReadBps', 'toString', '__proto__x']) {
      expectError(
        () => mergeResources({}, { [name]: undefined }, layouts['v2']!),
        'ERR_UNSUPPORTED_OPTION',
        new RegExp(`^${name}: `),
      );
    }
  });

  it('An update leaves the container as if it had been started so', () => {
    const mib = (min: number, max: number) =>
      fc.integer({ min, max }).map((size) => size * 2 ** 20);
    const limits = fc.record(
      {
        memory: fc.oneof(fc.constant(0), mib(64, 128)),
        memoryReservation: fc.oneof(fc.constant(0), mib(4, 64)),
        cpuShares: fc.constantFrom(0, 2, 512, 1024, 2048),
        cpus: fc.constantFrom(0, 0.5, 1, 2),
        cpusetCpus: fc.constantFrom('', '0', '0-1', '1'),
        pidsLimit: fc.constantFrom(-1, 0, 5, 100),
      },
      { requiredKeys: [] },
    );
    const fresh = (layout: CgroupLayout, options: RunOptions) => {
      const limits = limitsOf(normalizeResources(options, HOST), NO_SOURCES.throttles);
      const files = new Map<string, string>();
      for (const { dir, writes } of planCgroups(layout, ID, limits).placements)
        for (const { file, value } of writes) files.set(`${dir}/${file}`, value);
      return files;
    };
    fc.assert(
      fc.property(
        fc.constantFrom('v1', 'v2', 'hybrid'),
        limits,
        limits,
        (name, current, change) => {
          const layout = layouts[name]!;
          const options = mergeResources(current, change, layout);
          const [before, after] = [fresh(layout, current), fresh(layout, options)];
          const plan = planUpdate({ layout, host: HOST }, ID, current, options);
          const now = new Map(before);
          for (const { dir, file, value } of plan.writes) {
            const path = `${dir}/${file}`;
            expect(now.get(path), 'written for nothing').not.to.equal(value);
            now.set(path, value);
          }
          for (const [path, value] of after) expect(now.get(path), path).to.equal(value);
          // What a fresh cgroup has may be what was asked for.
          const usual = new Set(['100000', '1024', '100', '0-1']);
          for (const [path, value] of before) {
            if (after.has(path) || usual.has(value)) continue;
            expect(now.get(path), `taken away: ${path}`).not.to.equal(value);
          }
          expect(planUpdate({ layout, host: HOST }, ID, options, options).writes).to.deep.equal([]);
        },
      ),
      { numRuns: sampleSize(500) },
    );
  });
});
