/** Something removes the run directory, as a careless clean-up of /run does, while containers run. */
import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Engine } from '../../lib/index.js';
import { FIRST_CONTAINER_ID, ID_RANGE_SIZE } from '../../lib/engine/options/config.js';
import { IdRanges } from '../../lib/engine/start/id-ranges.js';
import { type DetachedContainers, refused, setUpDetached } from '../support/detached.js';
import { needsRoot } from '../support/needs.js';
import { statusOf } from '../support/outside.js';
import type { Workshop } from '../support/workshop.js';

const SLEEP = ['sleep', '1000'];
const COUNT = Math.floor((1_879_048_191 - FIRST_CONTAINER_ID + 1) / ID_RANGE_SIZE);
const indexOf = (base: number) => (base - FIRST_CONTAINER_ID) / ID_RANGE_SIZE;

needsRoot('ranges of host ids').describe('a run directory that was removed', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  const lose = () => rm(shop.path('run'), { recursive: true });
  /** The first host id of a process's user namespace. */
  const baseOf = async (uidMap: string) => Number(uidMap.trim().split(/\s+/)[1]);
  const uidMap = async (engine: Engine) => {
    const { stdout } = await engine.run(shop.busybox, ['cat', '/proc/self/uid_map']);
    return baseOf(stdout);
  };

  it('An engine that is open starts and removes containers as before, and makes the directory again', async () => {
    const running = await detached.start(SLEEP);
    const { pid, supervisor } = (await running.inspect()).state;
    await lose();
    const container = await detached.start(SLEEP);
    expect((await container.inspect()).status).to.equal('running');
    await container.stop({ timeout: 0 });
    // What the supervisor listened at is gone for good, and the error says what helps.
    const error = await refused(running.stop({ timeout: 0 }), 'ERR_STORAGE');
    expect(error.hint).to.include('caisson rm -f');
    await running.remove({ force: true });
    expect(existsSync(`/proc/${pid}`), `${pid} of ${supervisor}`).to.equal(false);
  });

  it('A container is removed as the first thing that is done then', async () => {
    const running = await detached.start(SLEEP);
    await lose();
    await running.remove({ force: true });
    await detached.expectGone(running);
  });

  it('The ranges of ids of containers that run are not claimed again by engines that are opened then', async () => {
    const running = await detached.start(SLEEP);
    const { idBase } = (await running.inspect()).state;
    expect(Number((await statusOf((await running.inspect()).state.pid))['Uid']?.split('\t')[0])).to.equal(idBase); // prettier-ignore
    await lose();
    // The first of them makes the file, the second one finds it. Both look from the container's range on.
    const { random } = Math;
    for (let round = 0; round < 2; round++) {
      Math.random = () => (indexOf(idBase) + 0.5) / COUNT;
      try {
        await using engine = await Engine.open({ dataRoot: shop.path('data'), runRoot: shop.path('run') }); // prettier-ignore
        Math.random = random;
        expect(await uidMap(engine)).to.equal(idBase + ID_RANGE_SIZE);
      } finally {
        Math.random = random;
      }
    }
  });

  it('An engine that is open claims the ranges that it has in the new file', async () => {
    const { binding } = shop.context;
    const path = shop.path('run/ids');
    const ranges = IdRanges.open(binding, path);
    const first = ranges.claim();
    await lose();
    const second = ranges.claim();
    const file = await open(path, 'r+');
    try {
      for (const { base } of [first, second])
        expect(binding.lockByte(file.fd, indexOf(base)), String(base)).to.equal(false);
      expect(second.base).not.to.equal(first.base);
      ranges.close();
      for (const { base } of [first, second])
        expect(binding.lockByte(file.fd, indexOf(base)), String(base)).to.equal(true);
    } finally {
      await file.close();
    }
  });
});
