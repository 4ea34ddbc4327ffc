/** Limits that depend on each other, changed one by one. */
import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from '../../../lib/engine/container/container.js';
import { type DetachedContainers, refused, setUpDetached } from '../../support/detached.js';
import { needsControllers } from '../../support/needs.js';
import { cgroupOf } from '../../support/outside.js';

const MIB = 2 ** 20;

needsControllers('memory').describe('limits that depend on each other', () => {
  let detached: DetachedContainers;

  setUpDetached((made) => (detached = made.detached));

  /** Everything that the kernel has of its memory limits. */
  async function files(container: Container): Promise<string[]> {
    const { version, directory } = await cgroupOf(container.id, 'memory');
    const names =
      version === 1
        ? ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']
        : ['memory.max', 'memory.swap.max'];
    return Promise.all(
      names.map((name) => readFile(join(directory, name), 'utf8').catch(() => 'none')),
    );
  }

  it('C5: a memory limit above the limit of memory and swap together is refused and changes nothing', async () => {
    const container = await detached.start('sleep 1000', { memory: 64 * MIB });
    const before = await files(container);
    const stored = (await container.inspect()).config.options;
    for (let attempt = 0; attempt < 2; attempt++) {
      await refused(
        container.update({ memory: 129 * MIB, pidsLimit: 7 }),
        'ERR_CONFLICTING_OPTIONS',
      );
      expect(await files(container)).to.deep.equal(before);
      expect((await container.inspect()).config.options).to.deep.equal(stored);
    }
    // Up to there it is changed, and the limit of both stays where it was: also for what comes then.
    await container.update({ memory: 32 * MIB });
    await refused(container.update({ memory: 129 * MIB }), 'ERR_CONFLICTING_OPTIONS');
    await container.update({ memory: 128 * MIB });
    const [limit] = await files(container);
    expect(limit).to.equal(`${128 * MIB}\n`);
    await container.update({ memory: 200 * MIB, memorySwap: 200 * MIB });
  });

  it('C5: the same is refused of a container that does not run', async () => {
    const container = await detached.create('true', { memory: 64 * MIB });
    await refused(container.update({ memory: 129 * MIB }), 'ERR_CONFLICTING_OPTIONS');
    expect((await container.inspect()).config.options.memory).to.equal(64 * MIB);
  });
});
