/**
 * Containers with published ports are started and ended again and again: nothing of a network grows.
 *
 * The resident memory of the engine does at first: in 10,000 starts from 81 MB to 110 MB after 500, 90 MB to 112 MB until 6,000 and
 * 113 MB at the end. Of that, 25 MB are V8's heap, of which 15 to 30 MB are in use by turns; after a collection, it has 9 MB at the
 * beginning, 12.6 MB after 500 starts and 14.7 MB from 4,500 on, and what was added since the 500th is compiled code alone.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { amountsOf, churn, expectUnchanged } from '../support/network-churn.js';
import { NetworkHost } from '../support/network-host.js';
import type { Ground } from './support/ground.js';

const CYCLES = 2000;
const WARM = 100;

export async function networks(ground: Ground, short: boolean): Promise<void> {
  const directory = join(ground.directory, 'networks');
  await mkdir(directory);
  const host = await NetworkHost.make(directory);
  try {
    await host.createNetwork('web', '10.77.0.0/16');
    const id = await host.create(['sleep', '100000'], { network: 'web' });
    await host.onContainer(id, 'start');
    await churn(host, directory, 'web', short ? WARM / 10 : WARM);
    const before = await amountsOf(host, directory);
    const cycles = short ? CYCLES / 10 : CYCLES;
    for (let done = 0; done < cycles; done += 50) {
      ground.signal.throwIfAborted();
      await churn(host, directory, 'web', 50);
    }
    await expectUnchanged(host, directory, before, { engine: 48 << 10, resolver: 512 });
    const after = await amountsOf(host, directory);
    ground.say(`${cycles} starts; KiB before and after: engine ${before.engine}, ${after.engine}; resolver ${before.resolver}, ${after.resolver}`); // prettier-ignore
  } finally {
    await host.end();
  }
}
