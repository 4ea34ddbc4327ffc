/** What one container can take of the machine when no limit was given. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { needsControllers } from '../../support/needs.js';
import { cgroupsOf } from '../../support/outside.js';
import type { Session } from '../../support/session.js';
import { Workshop } from '../../support/workshop.js';

const MIB = 2 ** 20;
const pids = needsControllers('pids');
const memory = needsControllers('memory');

describe('bounds by default', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => (shop = await Workshop.open()));
  after(() => shop.close());

  /** The first of these files that the container's cgroups have. */
  async function cgroupFile(box: Session, ...names: string[]): Promise<string> {
    for (const path of await cgroupsOf(box.id))
      for (const name of names)
        if (existsSync(join(path, name))) return (await readFile(join(path, name), 'utf8')).trim();
    throw new Error(`no ${names.join(', ')}`);
  }

  pids.it(
    'B6: a container has at most 2048 processes unless it asks for another number',
    async () => {
      await using box = await shop.session();
      expect(await cgroupFile(box, 'pids.max')).to.equal('2048');
      for (const pidsLimit of [0, -1, '-1']) {
        await using free = await shop.session({ pidsLimit });
        expect(await cgroupFile(free, 'pids.max'), String(pidsLimit)).to.equal('max');
      }
      await using small = await shop.session({ pidsLimit: 30 });
      expect(await cgroupFile(small, 'pids.max')).to.equal('30');
    },
  );

  it('B6: a container has at most 256 terminals, or as many as it asks for', async () => {
    expect(await shop.sh('grep -o "devpts.*max=[0-9]*" /proc/mounts')).to.match(/\bmax=256$/);
    const open =
      'exec 3<>/dev/ptmx && exec 4<>/dev/ptmx && echo two; exec 5<>/dev/ptmx && echo three';
    const { stdout, stderr } = await shop.engine.run(shop.busybox, ['sh', '-c', open], {
      ptyLimit: 2,
    });
    expect(stdout).to.equal('two\n');
    expect(stderr).to.match(/No space left/);
    expect(await shop.sh(open, { ptyLimit: '3' })).to.equal('two\nthree');
  });

  it('B6: /dev/shm and /dev take as many files as they have pages, empty ones too', async () => {
    const fill =
      'for d in /dev/shm /dev; do i=0; while [ $i -lt 20000 ] && true >$d/n$i; do i=$((i+1)); done; echo $d $i; done';
    const { stdout, stderr } = await shop.engine.run(shop.busybox, ['sh', '-c', fill], {
      shmSize: '1m',
    });
    expect(stderr).to.match(/No space left[^]*No space left/);
    const made = [...stdout.matchAll(/ (\d+)$/gm)].map(([, count]) => Number(count));
    expect(made[0]).to.be.within(250, 256);
    expect(made[1]).to.be.within(16_000, 16_384);
  });

  memory.it(
    'B6: what lies in a tmpfs counts as the container’s memory, and takes at most half of its limit',
    async () => {
      const limit = 64 * MIB;
      await using box = await shop.session({ memory: limit, tmpfs: ['/t', '/s:size=1m'] });
      const fill = (path: string) => `dd if=/dev/zero of=${path} bs=64k 2>&1; stat -c %s ${path}`;
      expect(await box.sh(fill('/t/x'))).to.match(new RegExp(`No space left[^]*\n${limit / 2}$`));
      const used = await cgroupFile(box, 'memory.usage_in_bytes', 'memory.current');
      expect(Number(used)).to.be.above(limit / 2);
      expect(await box.sh(fill('/s/x'))).to.match(/\n1048576$/);
    },
  );
});
