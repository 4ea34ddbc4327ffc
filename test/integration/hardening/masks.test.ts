/** A2: what hides parts of /proc and /sys is put there by descriptor. */
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { CaissonError } from '../../../lib/base/errors.js';
import type { RootfsImage } from '../../../lib/image/rootfs.js';
import { exchange } from '../../support/exchange.js';
import { needsRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

const direct = needsRoot('a root that another container has too');

direct.describe('masks and read-only paths', function () {
  this.timeout(120_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  /** What is mounted on the container's procfs, wherever that has got to; undefined when it could not be started. */
  const covered = async (root: RootfsImage): Promise<string[] | undefined> => {
    // Shell words only: nothing that is looked up below /proc.
    const script =
      'i=0; while [ $i -lt 1000 ]; do for p in /proc /other; do ' +
      'cat $p/self/mountinfo 2>/dev/null && exit; done; i=$((i + 1)); done; exit 9';
    let text: string;
    try {
      const result = await shop.engine.run(root, ['sh', '-c', script], { userns: 'host' });
      if (result.exitCode === 9) return undefined;
      text = result.stdout;
    } catch (error) {
      if (error instanceof CaissonError && error.code === 'ERR_START_FAILED') return undefined;
      throw error;
    }
    const mounts = text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' '));
    const proc = mounts.find((fields) => fields[3] === '/' && fields.includes('proc'));
    expect(proc, text).not.to.equal(undefined);
    return mounts
      .filter((fields) => fields[1] === proc?.[0])
      .map((fields) => (fields[4] ?? '').replace(/^\/[^/]*/, ''))
      .sort();
  };

  it('A2: they are all there in every start that succeeds while another process renames /proc', async () => {
    const root = shop.copyOfBusybox('shared', { writable: 'direct' });
    const expected = await covered(root);
    expect(expected).to.include('/sys').and.to.include('/keys');
    await symlink('nowhere', join(root.path, 'other'));
    await using _ = await exchange(join(root.path, 'proc'), join(root.path, 'other'));
    let started = 0;
    for (let round = 0; round < 50; round++) {
      const found = await covered(root);
      if (found === undefined) continue;
      started++;
      expect(found, `start ${round}`).to.deep.equal(expected);
    }
    expect(started, 'starts that succeeded').to.be.above(10);
  });

  it('A2: a sysfs that is a volume is masked too', async () => {
    const options = { volumes: ['/sys:/sys:ro'], userns: 'host' } as const;
    const script = 'ls -A /sys/firmware | wc -l; ls /sys/kernel | wc -l';
    const [firmware, kernel] = (await shop.sh(script, options)).split('\n').map(Number);
    expect(firmware).to.equal(0);
    expect(kernel).to.be.above(0);
  });
});
