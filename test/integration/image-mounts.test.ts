/** Images that are mounted in containers of others: their merged layers, read-only. */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { contextOf } from '../../lib/engine/engine.js';
import type { CreateOptions } from '../../lib/engine/options/create-options.js';
import type { MountOption } from '../../lib/engine/options/mount-types.js';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import type { KernelFacts } from '../../lib/program/shared.js';
import { type DetachedContainers, refused, setUpDetached } from '../support/detached.js';
import { layer, type LayerMaker, writeImage } from '../support/layered-image.js';
import { needsRoot } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';
import { skip } from '../support/skip.js';
import { UID, UnprivilegedUser } from '../support/unprivileged-user.js';
import type { Workshop } from '../support/workshop.js';

needsRoot('whiteouts, and layers with the owners of an archive').describe(
  'Images that are mounted',
  function () {
    this.timeout(60_000);
    let detached: DetachedContainers;
    let shop: Workshop;
    setUpDetached((given) => ({ detached, shop } = given));

    const write = (name: string, ...layers: LayerMaker[]) =>
      writeImage(shop.engine.dataRoot, `docker.io/library/${name}:latest`, { layers });
    const of = (source: string, target = '/mounted', imageSubpath?: string): CreateOptions => ({
      mounts: [{ type: 'image', source, target, ...(imageSubpath && { imageSubpath }) }],
    });
    const owned: LayerMaker = (root) => {
      layer({ 'a/one': '1', 'a/two': '1', gone: '1' })(root);
      chownSync(join(root, 'a/one'), 33, 34);
    };

    it('Its layers are merged, with their owners, and nothing of it can be changed', async () => {
      write('two', owned, layer({ 'a/two': '2', gone: null, 'b/three': '3' }));
      const said = await shop.sh(
        'cd /mounted; cat a/one a/two b/three; ls; stat -c %u:%g a/one a/two; touch x 2>&1; true',
        of('two'),
      );
      expect(said).to.equal('123a\nb\n33:34\n0:0\ntouch: x: Read-only file system');
    });

    it('An image with one layer, and one without any, are mounted, too', async () => {
      write('one', owned);
      write('none');
      expect(await shop.sh('cat /mounted/a/two; touch /mounted/x 2>/dev/null || echo ro', of('one'))).to.equal('1ro'); // prettier-ignore
      expect(await shop.sh('ls -A /mounted', of('none'))).to.equal('');
    });

    it('A part of it is a directory or a file, found in the image', async () => {
      write('part', layer({ 'a/b/file': 'x', 'a/other': 'y' }), (root) => {
        layer({ 'a/b/more': 'z' })(root);
      });
      const both = {
        mounts: [
          { type: 'image', source: 'part', target: '/dir', imageSubpath: 'a/b' },
          { type: 'image', source: 'part', target: '/file', imageSubpath: 'a/other' },
        ],
      } as const;
      expect(await shop.sh('ls /dir; cat /dir/file /file; ls -A / | grep image; true', both)).to.equal('file\nmore\nxy'); // prettier-ignore
      const error = await rejectionOf(shop.sh('true', of('part', '/x', 'a/none')));
      expect(error).to.include({ errno: 'ENOENT' });
    });

    it('Kernels that take layers by path mount it, too', async () => {
      write('by-path', owned, layer({ 'a/two': '2' }));
      const context = contextOf(shop.engine) as { kernel: KernelFacts };
      const { kernel } = context;
      context.kernel = { ...kernel, overlayByDescriptor: false };
      try {
        expect(await shop.sh('cat /mounted/a/two', of('by-path'))).to.equal('2');
        expect(await shop.sh('cat /mounted', of('by-path', '/mounted', 'a/two'))).to.equal('2');
      } finally {
        context.kernel = kernel;
      }
    });

    it('A detached container keeps the image that the name meant, and the image stays as long as it', async () => {
      const { images } = shop.engine;
      const first = write('kept', layer({ file: 'first' }));
      const container = await detached.create('test "$(cat /mounted/file)" = first', of('kept'));
      write('kept', layer({ file: 'second' }));
      await images.prune();
      for (let run = 0; run < 2; run++) {
        await container.start();
        expect(await container.wait()).to.include({ exitCode: 0 });
      }
      expect(await images.inspect(first.id)).to.include({ id: first.id });
      await refused(images.remove(first.id), 'ERR_IMAGE_IN_USE');
      expect(await shop.sh('cat /mounted/file', of('kept'))).to.equal('second');
      await container.remove();
      await images.remove(first.id);
      await refused(images.inspect(first.id), 'ERR_NO_SUCH_IMAGE');
    });

    it('A run keeps the image as long as it lasts', async () => {
      const { images } = shop.engine;
      const { manifest } = write('held', layer({ file: 'x' }), layer({ other: 'y' }));
      const run = shop.engine.run(
        shop.busybox,
        ['sh', '-c', 'echo ready; read x; cat /mounted/file'],
        { ...of('held'), stdin: 'pipe' },
      );
      await run.started;
      await images.remove('held', { force: true }).catch(() => undefined);
      await images.prune();
      run.stdin?.end('\n');
      expect((await run).stdout).to.equal('ready\nx');
      expect(manifest).to.match(/^sha256:/);
    });

    it('What cannot be mounted is a typed error before anything is made', async () => {
      const errors: readonly (readonly [MountOption, string])[] = [
        [{ type: 'image', source: 'missing-image', target: '/x' }, 'ERR_NO_SUCH_IMAGE'],
        [{ type: 'image', source: 'host', target: '/x' }, 'ERR_UNSUPPORTED_OPTION'],
        [{ type: 'image', source: '', target: '/x' }, 'ERR_INVALID_OPTION'],
        [{ type: 'image', source: 'UPPER', target: '/x' }, 'ERR_INVALID_REFERENCE'],
        [{ type: 'image', source: 'a', target: '/x', readOnly: false as true }, 'ERR_UNSUPPORTED_OPTION'],
        [{ type: 'image', source: 'a', target: '/x', imageSubpath: '../b' }, 'ERR_INVALID_OPTION'],
      ]; // prettier-ignore
      for (const [mount, code] of errors) {
        expect((await rejectionOf(shop.sh('true', { mounts: [mount] }))).code).to.equal(code);
        await refused(detached.create('true', { mounts: [mount] }), code as 'ERR_INVALID_OPTION');
      }
    });

    for (const ranges of [true, false])
      it(`A rootless user ${ranges ? 'with subordinate ids' : 'with one id'} mounts them, too`, async function () {
        const forbidden = userNamespaceSwitch();
        if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
        const user = await UnprivilegedUser.make(ranges);
        try {
          const layers = [
            layer({ 'a/one': '1', 'a/two': '1', 'b/one': '1' }),
            layer({ 'a/two': '2', 'b/two': '2' }, ['b'], 'user.overlay.opaque'),
          ];
          const data = join(user.home, '.local/share/caisson');
          writeImage(data, 'docker.io/library/mounted:latest', { layers });
          execFileSync('chown', ['-R', `${UID}:${UID}`, join(user.home, '.local')]);
          expect(await user.fixture('rootless-image-mount', {}, [user.busybox()])).to.deep.equal({
            stdout: '122two\nro\n',
            exitCode: 0,
          });
        } finally {
          await user.cleanUp();
        }
      });
  },
);
