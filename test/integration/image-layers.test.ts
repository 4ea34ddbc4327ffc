/** Containers of images whose layers are unpacked: as overlay merges them, in a user namespace, with up to 500 layers. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { chownSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { contextOf } from '../../lib/engine/engine.js';
import type { KernelFacts } from '../../lib/program/shared.js';
import { copyOf, layer, type LayerMaker, writeImage } from '../support/layered-image.js';
import { needsRoot } from '../support/needs.js';
import { WITHOUT_LAYERS_BY_DESCRIPTOR } from '../support/older-kernel.js';
import { fixture } from '../support/paths.js';
import { rejectionOf } from '../support/rejection.js';
import { Workshop } from '../support/workshop.js';

needsRoot('whiteouts, and layers with the owners of an archive').describe(
  'layers of images',
  () => {
    let shop: Workshop;
    let data: string;
    let base: LayerMaker;

    before(async () => {
      shop = await Workshop.open();
      data = shop.engine.dataRoot;
      base = copyOf(shop.busybox.path);
    });
    after(() => shop.close());

    const write = (name: string, layers: readonly LayerMaker[], config = {}) =>
      writeImage(data, `docker.io/library/${name}:latest`, { layers: [base, ...layers], config });

    it('A layer replaces, hides and adds files of the layers below it', async () => {
      write('merged', [
        layer({ 'a/one': '1', 'a/two': '1', 'b/one': '1', 'c/one': '1' }),
        layer({ 'a/two': '2', 'a/one': null, c: null, 'b/three': '2' }, ['b']),
        layer({ 'a/four': '3' }),
      ]);
      expect(
        await shop.sh('cd /; for f in a/* b/* c; do echo "$f $(cat $f 2>&1)"; done', {}, 'merged'),
      ).to.equal(
        ['a/four 3', 'a/two 2', 'b/three 2', "c cat: can't open 'c': No such file or directory"].join('\n'), // prettier-ignore
      );
    });

    it('The owners of a layer are users of the container, and what root writes is its own', async () => {
      write('owned', [
        (root) => {
          layer({ mine: 'x', theirs: 'y' })(root);
          chownSync(join(root, 'theirs'), 33, 34);
        },
      ]);
      const said = await shop.sh(
        'stat -c %u:%g /mine /theirs; echo z > /theirs; touch /new; stat -c %u:%g /new /theirs; cat /proc/self/uid_map',
        {},
        'owned',
      );
      const lines = said.split('\n');
      expect(lines.slice(0, 4)).to.deep.equal(['0:0', '33:34', '0:0', '33:34']);
      expect(lines[4], 'a user namespace').to.not.match(/^\s*0\s+0\s/);
    });

    it('No container changes a layer', async () => {
      const { diffIds } = write('shared', [layer({ 'etc/greeting': 'hello' })]);
      const path = join(data, 'images/layers', diffIds[1]!.replace(':', '-'), 'root/etc/greeting');
      const before = statSync(path);
      await shop.sh('echo changed > /etc/greeting; rm /bin/true; mkdir /made', {}, 'shared');
      expect(readFileSync(path, 'utf8')).to.equal('hello');
      expect(statSync(path).mtimeMs).to.equal(before.mtimeMs);
      expect(
        await shop.sh('cat /etc/greeting; true; ls -d /made 2>&1 || :', {}, 'shared'),
      ).to.match(/^hello.*No such file/s);
    });

    it('A layer that an image has twice is one layer, in the upper place', async () => {
      const first = layer({ file: 'first', other: 'first' });
      write('twice', [first, layer({ file: null, other: 'between' }), first]);
      expect(await shop.sh('cat /file /other', {}, 'twice')).to.equal('firstfirst');
    });

    for (const userns of ['auto', 'host'] as const)
      for (const count of [2, 40, 128, 499])
        it(`An image of ${count + 1} layers is one root, with userns ${userns}`, async () => {
          const name = `layers${count}${userns}`;
          write(
            name,
            Array.from({ length: count }, (_, i) =>
              layer({
                [`each/${i}`]: `${i}`,
                top: `${i}`,
                ...(i % 32 === 1 ? { [`each/${i - 1}`]: null } : {}),
              }),
            ),
          );
          const gone = Math.ceil((count - 1) / 32);
          expect(
            await shop.sh('ls /each | wc -l; cat /top; touch /each/new', { userns }, name),
          ).to.equal(`${count - gone}\n${count - 1}`);
        });

    it('On a kernel that takes no descriptors, an image of 500 layers is one root as well', async () => {
      write(
        'by-path',
        Array.from({ length: 499 }, (_, i) => layer({ [`each/${i}`]: `${i}`, top: `${i}` })),
      );
      const older = await shop.openAnother();
      const context = contextOf(older) as { kernel: KernelFacts };
      context.kernel = { ...context.kernel, overlayByDescriptor: false };
      const { stdout, stderr } = await older.run('by-path', [
        ...['sh', '-c', 'ls /each | wc -l; cat /top; touch /each/new; stat -c %u /each/new'],
      ]);
      expect(`${stdout}${stderr}`).to.equal('499\n4980\n');
      expect(await shop.sh('cat /top', { readOnly: true }, 'by-path')).to.equal('498');
    });

    it('On such a kernel, the files of a container that does not run are reached, too, with 500 layers', async () => {
      const [program = '', ...args] = WITHOUT_LAYERS_BY_DESCRIPTOR;
      const { stdout } = await promisify(execFile)(program, [
        ...[...args, process.execPath, fixture('stopped-layers')],
        ...[data, shop.path('older-run'), 'by-path'],
      ]);
      expect(JSON.parse(stdout)).to.deep.equal({
        copied: '498',
        changes: ['added /new'],
        exported: true,
        written: 'written',
      });
    });

    it('The 501st layer is an error before anything is made', async () => {
      write(
        'too-many',
        Array.from({ length: 500 }, () => layer({})),
      );
      const error = await rejectionOf(shop.engine.run('too-many', ['true']));
      expect(error).to.include({ code: 'ERR_INVALID_MANIFEST', stage: 'image' });
      expect(error.message).to.match(/has 501 layers, more than 500/);
    });

    it('An image without layers is an empty root', async () => {
      writeImage(data, 'docker.io/library/scratch-like:latest', { layers: [] });
      const error = await rejectionOf(shop.engine.run('scratch-like', ['/bin/true']));
      expect(error.code).to.equal('ERR_COMMAND_NOT_FOUND');
    });

    it('The accounts are those of the merged layers', async () => {
      const passwd = (name: string, uid: number) => `${name}:x:${uid}:${uid}::/:/bin/sh\n`;
      write('accounts', [
        layer({ 'etc/passwd': passwd('old', 71), 'usr/lib/group': 'staff:x:72:\n' }),
        layer({ 'etc/passwd': null }),
        layer({ 'usr/lib/passwd': passwd('new', 73) }),
        (root) => {
          mkdirSync(join(root, 'etc'));
          symlinkSync('../usr/lib/passwd', join(root, 'etc/passwd'));
          symlinkSync('/usr/lib/group', join(root, 'etc/group'));
        },
      ]);
      expect(await shop.sh('id -u; id -g', { user: 'new:staff' }, 'accounts')).to.equal('73\n72');
      expect(
        (await rejectionOf(shop.engine.run('accounts', ['true'], { user: 'old' }))).code,
      ).to.equal('ERR_NO_SUCH_USER');
      write('without-accounts', [layer({ 'etc/passwd': null })]);
      const gone = await rejectionOf(
        shop.engine.run('without-accounts', ['true'], { user: 'nobody' }),
      );
      expect(gone.code).to.equal('ERR_NO_SUCH_USER');
      write('opaque-accounts', [layer({ 'etc/other': '' }, ['etc'])]);
      const hidden = await rejectionOf(shop.engine.run('opaque-accounts', ['true'], { user: 'nobody' })); // prettier-ignore
      expect(hidden.code).to.equal('ERR_NO_SUCH_USER');
    });
  },
);
