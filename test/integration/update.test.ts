import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { type ResourceChange, updateResources } from '../../lib/engine/container/update-limits.js';
import type { CaissonError } from '../../lib/base/errors.js';
import { needsControllers } from '../support/needs.js';
import { cgroupOf, eventually } from '../support/outside.js';
import type { Session } from '../support/session.js';
import { Workshop } from '../support/workshop.js';
import { rejectionOf } from '../support/rejection.js';

const MIB = 2 ** 20;

const limits = needsControllers('cpu', 'cpuset', 'memory', 'pids');

limits.describe('changing the limits of a running container', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  async function file(box: Session, controller: string, v1: string, v2: string): Promise<string> {
    const { version, directory } = await cgroupOf(box.id, controller);
    return (await readFile(join(directory, version === 1 ? v1 : v2), 'utf8')).trim();
  }

  /** Memory, and memory and swap together; Infinity: none. */
  async function memory(box: Session): Promise<[number, number | undefined]> {
    const number = (text: string) =>
      text === 'max' || Number(text) > 2 ** 60 ? Infinity : Number(text);
    const limit = number(await file(box, 'memory', 'memory.limit_in_bytes', 'memory.max'));
    const { version } = await cgroupOf(box.id, 'memory');
    const sum = await file(box, 'memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max').catch(
      () => undefined,
    );
    if (sum === undefined) return [limit, undefined];
    return [limit, number(sum) + (version === 1 ? 0 : limit)];
  }

  function update(box: Session, current: RunOptions, change: ResourceChange): Promise<RunOptions> {
    const { layout, host } = shop.context;
    return updateResources({ layout, host, location: shop.runLocation }, box.id, current, change);
  }

  function refusal(
    box: Session,
    current: RunOptions,
    change: Record<string, unknown>,
  ): Promise<CaissonError> {
    return rejectionOf(update(box, current, change));
  }

  it('An update raises and lowers memory and swap, in any order', async () => {
    let options: RunOptions = { memory: '64m' };
    await using box = await shop.session(options);
    const [, sum] = await memory(box);
    const steps: [ResourceChange, number, number][] = [
      [{ memory: '100m' }, 100, 128],
      [{ memory: '32m' }, 32, 128],
      [{ memory: '128m', memorySwap: '128m' }, 128, 128],
      [{ memory: '100m', memorySwap: '1g' }, 100, 1024],
      [{ memory: '900m' }, 900, 1024],
      [{ memory: '50m', memorySwap: '60m' }, 50, 60],
      [{ memorySwap: '70m' }, 50, 70],
      [{ memorySwap: -1 }, 50, Infinity],
      [{ memory: '40m', memorySwap: '40m' }, 40, 40],
      [{ memory: 0, memorySwap: 0 }, Infinity, Infinity],
      [{ memory: '64m' }, 64, 128],
    ];
    for (const [change, limit, together] of steps) {
      options = await update(box, options, change);
      const expected = [limit * MIB, sum === undefined ? undefined : together * MIB];
      expect(await memory(box), JSON.stringify(change)).to.deep.equal(expected);
      expect(options).to.deep.include(change);
    }
  });

  it('An update changes processors, processes and weights, and takes them away again', async () => {
    await using box = await shop.session();
    const cpu = async (): Promise<[number, number]> => {
      if ((await cgroupOf(box.id, 'cpu')).version === 2) {
        const [quota, period] = (await file(box, 'cpu', '', 'cpu.max')).split(' ');
        return [quota === 'max' ? -1 : Number(quota), Number(period)];
      }
      return [
        Number(await file(box, 'cpu', 'cpu.cfs_quota_us', '')),
        Number(await file(box, 'cpu', 'cpu.cfs_period_us', '')),
      ];
    };
    const shares = () => file(box, 'cpu', 'cpu.shares', 'cpu.weight');
    const usual = await shares();
    let options = await update(box, {}, { cpus: 0.5, cpuShares: 512, pidsLimit: 20 });
    expect(await cpu()).to.deep.equal([50_000, 100_000]);
    expect(await shares()).not.to.equal(usual);
    expect(await file(box, 'pids', 'pids.max', 'pids.max')).to.equal('20');
    const many = '(for i in $(seq 30); do sleep 0.2 & done)';
    expect((await box.try(many)).output).to.match(/fork/);
    await eventually(async () =>
      expect(Number(await file(box, 'pids', 'pids.current', 'pids.current'))).to.be.below(5),
    );

    options = await update(box, options, { cpus: 0, cpuQuota: 20_000, cpuPeriod: 50_000 });
    expect(await cpu()).to.deep.equal([20_000, 50_000]);
    options = await update(box, options, { cpusetCpus: '0' });
    expect(await box.sh('grep Cpus_allowed_list /proc/self/status')).to.match(/\t0$/);
    await update(box, options, {
      cpuQuota: 0,
      cpuPeriod: 0,
      cpuShares: 0,
      pidsLimit: -1,
      cpusetCpus: '',
    });
    expect(await cpu()).to.deep.equal([-1, 100_000]);
    expect(await shares()).to.equal(usual);
    expect(await file(box, 'pids', 'pids.max', 'pids.max')).to.equal('max');
    const list = await box.sh('grep Cpus_allowed_list /proc/self/status');
    expect(list.split('\t')[1]).to.equal(shop.context.host.cpus);
  });

  it('An update is refused before anything is touched', async () => {
    const options: RunOptions = { memory: '64m', memorySwap: '64m', cpus: 0.5 };
    await using box = await shop.session(options);
    const cases: [Record<string, unknown>, string][] = [
      [{ pidsLimit: 7, memory: '1m' }, 'ERR_INVALID_OPTION'],
      [{ pidsLimit: 7, memory: 'x' }, 'ERR_INVALID_OPTION'],
      [{ pidsLimit: 7, memory: '128m' }, 'ERR_CONFLICTING_OPTIONS'],
      [{ pidsLimit: 7, cpuQuota: 10_000 }, 'ERR_CONFLICTING_OPTIONS'],
      [{ pidsLimit: 7, memory: 0 }, 'ERR_CONFLICTING_OPTIONS'],
      [{ pidsLimit: 7, cpusetCpus: '4095' }, 'ERR_INVALID_OPTION'],
      [{ pidsLimit: 7, workdir: '/' }, 'ERR_UNSUPPORTED_OPTION'],
      [{ pidsLimit: 7, oomKillDisable: true }, 'ERR_UNSUPPORTED_OPTION'],
    ];
    for (const [change, code] of cases) {
      expect((await refusal(box, options, change)).code, JSON.stringify(change)).to.equal(code);
    }
    expect(await file(box, 'pids', 'pids.max', 'pids.max')).to.equal('2048');
    expect((await memory(box))[0]).to.equal(64 * MIB);
  });

  it('An update puts back what was written when the kernel refuses half-way', async () => {
    const options: RunOptions = { memory: '128m' };
    await using box = await shop.session(options);
    const usual = await file(box, 'cpu', 'cpu.shares', 'cpu.weight');
    const before = await memory(box);
    // What it uses cannot be reclaimed: no swap, and not a file.
    await box.sh('dd if=/dev/zero of=/dev/shm/x bs=1M count=40');
    const change = { cpuShares: 100, pidsLimit: 9, memory: '8m', memorySwap: '8m' };
    const error = await refusal(box, options, change);
    expect(error.code).to.equal('ERR_UPDATE_FAILED');
    expect(error.errno).to.equal('EBUSY');
    expect(error.path).to.match(/memory\.(?:limit_in_bytes|max)$/);
    expect(error.message).to.match(/^memory\.\w+ cannot be set to "8388608": EBUSY/);
    expect(await memory(box)).to.deep.equal(before);
    expect(await file(box, 'cpu', 'cpu.shares', 'cpu.weight')).to.equal(usual);
    expect(await file(box, 'pids', 'pids.max', 'pids.max')).to.equal('2048');
    // It lives, and can have more.
    await update(box, options, { memory: '256m' });
    expect(await box.sh('echo alive')).to.equal('alive');
  });

  it('An update of a container that is gone is an error that says so', async () => {
    const box = await shop.session();
    await box.close();
    await eventually(async () => {
      const { code, errno } = await refusal(box, {}, { pidsLimit: 5 });
      expect([code, errno]).to.deep.equal(['ERR_UPDATE_FAILED', 'ENOENT']);
    });
  });
});
