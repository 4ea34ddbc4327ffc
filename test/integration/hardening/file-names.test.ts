/** Names of files that are no text, and paths that are longer than any that can be opened. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { processesOf } from '../../../lib/cgroup/processes.js';
import { treeSize } from '../../../lib/native/tree-size.js';
import { type DetachedContainers, setUpDetached } from '../../support/detached.js';
import type { Workshop } from '../../support/workshop.js';

const caisson = fileURLToPath(new URL('../../../../bin/caisson', import.meta.url));

describe('file names of a container', () => {
  let shop: Workshop;
  let detached: DetachedContainers;
  setUpDetached((made) => ({ shop, detached } = made));

  it('C25: file names count in ps -s and prune, and are removed, also where they are no text or too long for a path', async () => {
    // 1 MiB each: in a name that is not UTF-8, below such a directory, and beyond PATH_MAX.
    const fill = 'dd if=/dev/zero bs=1M count=1 2>/dev/null';
    const script = [
      `${fill} of=/$(printf 'latin\\\\351')`,
      `mkdir /$(printf 'dir\\\\377') && ${fill} of=/$(printf 'dir\\\\377')/file`,
      'mkdir /deep && cd /deep',
      'name=$(printf %0200d 0); i=0',
      'while [ $i -lt 30 ]; do mkdir $name && cd -P $name || exit 1; i=$((i+1)); done',
      `${fill} of=file`,
      `ln file other && ln -s / loop`,
    ].join('\n');
    const container = await detached.create(script);
    await container.start();
    expect(await container.wait()).to.have.property('exitCode', 0);

    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const args = [...roots, 'ps', '-as', '--format', '{{.Size}}'];
    expect(execFileSync(caisson, args, { encoding: 'utf8' })).to.match(/^3\.15MB\n/);
    const { removed, freed } = await shop.engine.prune(({ config }) => config.id === container.id);
    expect(removed).to.deep.equal([container.id]);
    expect(freed).to.be.within(3 << 20, (3 << 20) + (64 << 10));
  });

  it('C25: processes are found in cgroups whose names are no text', async () => {
    const directory = Buffer.from(shop.path('cgroup'));
    const below = Buffer.concat([directory, Buffer.from('/\xe9\xff', 'latin1')]);
    mkdirSync(below, { recursive: true });
    writeFileSync(Buffer.concat([directory, Buffer.from('/cgroup.procs')]), '7\n');
    writeFileSync(Buffer.concat([below, Buffer.from('/cgroup.procs')]), '8\n9\n');
    expect(await processesOf([shop.path('cgroup')])).to.deep.equal([7, 8, 9]);
  });

  it('C25: a tree is counted without leaving it', async () => {
    const tree = shop.path('tree');
    mkdirSync(`${tree}/a/b`, { recursive: true });
    writeFileSync(`${tree}/a/b/file`, 'x'.repeat(1000));
    symlinkSync('/usr', `${tree}/usr`);
    symlinkSync('/usr/bin/env', `${tree}/a/env`);
    expect(await treeSize(tree)).to.equal(1000);
    expect(await treeSize(shop.path('missing'))).to.equal(0);
    rmSync(tree, { recursive: true });
  });
});
