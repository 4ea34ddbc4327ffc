/**
 * Archives of images both ways: what Docker, podman, buildah, skopeo and umoci make of ours, and we of theirs. All files are compared, with
 * all that the kernel says of them.
 */
import { expect } from 'chai';
import { execFile, execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { imagesIn } from '../../lib/engine/images-in.js';
import type { Images } from '../../lib/engine/images/images.js';
import { Store } from '../../lib/engine/store/store.js';
import { resolveImage } from '../../lib/image/snapshots/resolve.js';
import { packDirectory, skopeoCopy } from '../support/archives.js';
import { type FileTree, SCAN, scanLayers, scanTree } from '../support/file-tree.js';
import { imageLayout } from '../support/images.js';
import { needsProgram, needsRoot } from '../support/needs.js';
import { repository } from '../support/paths.js';
import { TestRegistry } from '../support/registry.js';
import { Workshop } from '../support/workshop.js';

const run = promisify(execFile);
const NAME = 'example.org/made:1';

/** What other tools do not restore; each by the lines of the files that show it. */
const FLAWS = {
  /** Go's tar package drops an attribute without a value (archive/tar: an empty PAX record deletes the key). */
  emptyAttribute: (line: string) => line.replace(' user.empty=', ''),
  /** They set no time before 1970. */
  oldTimes: (line: string) => line.replace(' -1250000000 ', ' 0 '),
  /** They make a file in a directory whose default ACL they have set before. */
  inheritedAcl: (line: string) =>
    line.startsWith('./odd/acl.d/file ') ? line.replace(/ system\.posix_acl_access=\S+/, '') : line,
} as const;

needsRoot('files of other owners').describe('Archives of images and other tools', function () {
  this.timeout(180_000);
  let shop: Workshop;
  /** Of an image whose two layers we have written, with every kind of file, and with files that the upper one removes. */
  let made: FileTree;
  let archive: string;

  before(async () => {
    shop = await Workshop.open();
    const { images } = shop.engine;
    const [odd] = await images.load(packDirectory(imageLayout('odd'), shop.path('layout.tar')));
    const container = await shop.engine.create(odd!.id, ['x']);
    const flat = await images.import((await container.export()) as AsyncIterable<Buffer>, 'flat');
    await container.remove({ volumes: true });
    expect(await treeOf(flat.id)).to.deep.equal(await treeOf(odd!.id));
    const changes = `rm -r /var; mkdir /var; echo new >/var/only; rm /bin/vi; chown 5:6 /odd/entry; chmod 4711 /odd/entry
      echo text >/new; ln /new /etc/same; ln -s ../new /etc/link; mkfifo -m 640 /fifo; rm -r /below; mkdir -m 750 /below
      truncate -s 3M /sparse; echo end >>/sparse; touch -d @1000000000 /new`;
    const changed = await shop.engine.create('flat', ['sh', '-ec', changes], { user: '0' });
    expect((await changed.startAttached()).exitCode).to.equal(0);
    await changed.commit(NAME, { changes: ['CMD ["cat", "/var/only"]', 'LABEL a=b'] });
    await changed.remove();
    made = await treeOf(NAME);
    expect(made.length).to.be.greaterThan(400);
    expect(made.filter((line) => /^\.\/(?:bin\/vi|var\/spool) /.test(line))).to.deep.equal([]);
    archive = shop.path('ours.tar');
    await writeFile(archive, images.save([NAME]));
  });
  after(() => shop.close());

  const withoutRoot = (tree: FileTree) => tree.filter((line) => !line.startsWith('. '));

  /** The root itself is in no archive. */
  async function treeOf(image: string, dataRoot = shop.path('data')): Promise<FileTree> {
    const { root } = await resolveImage(image, dataRoot);
    if (root.kind !== 'overlay') throw new Error('an image is an overlay');
    return withoutRoot(scanLayers(root.lowers, shop.path('mount')));
  }

  let stores = 0;
  function newStore(): { readonly images: Images; readonly dataRoot: string } {
    const directory = shop.path(`store-${++stores}`);
    const store = new Store({ dataRoot: join(directory, 'data'), runRoot: join(directory, 'run') });
    store.prepare();
    return { images: imagesIn(store), dataRoot: join(directory, 'data') };
  }

  /** Loads an archive into a new store: it has the files, and the configuration, of the image. */
  async function expectLoaded(file: string, name = NAME, more: FileTree = []): Promise<void> {
    const { images, dataRoot } = newStore();
    const loaded = await images.load(file);
    expect(loaded.flatMap(({ names }) => names), file).to.include(name); // prettier-ignore
    const tree = await treeOf(name, dataRoot);
    expect(tree.filter((line) => !more.includes(line)), file).to.deep.equal(made); // prettier-ignore
    for (const line of more) expect(tree, file).to.include(line);
    const { config } = await images.inspect(name);
    expect(config.cmd, file).to.deep.equal(['cat', '/var/only']);
    expect(config.labels, file).to.include({ a: 'b' });
  }

  function expectTree(file: string, flaws: readonly (keyof typeof FLAWS)[]): void {
    const without = (line: string) => flaws.reduce((text, flaw) => FLAWS[flaw](text), line);
    const theirs = withoutRoot(readFileSync(file, 'utf8').trimEnd().split('\n'));
    expect(theirs.map(without)).to.deep.equal(made.map(without));
  }

  it('What is saved and loaded, or imported after an export, is the same', async () => {
    await expectLoaded(archive);
    const container = await shop.engine.create(NAME, ['true']);
    const { id } = await shop.engine.images.import(
      (await container.export()) as AsyncIterable<Buffer>,
    );
    await container.remove();
    expect(await treeOf(id)).to.deep.equal(made);
    await shop.engine.images.remove(id);
  });

  needsProgram('docker-registry').it(
    'What is pushed, removed and pulled is the same, also with another registry client in between',
    async () => {
      const registry = await TestRegistry.start();
      try {
        const { images } = shop.engine;
        const name = `${registry.host}/made:1`;
        await images.tag(NAME, name);
        const { digest } = await images.push(name);
        await images.remove(name);
        const { images: others, dataRoot } = newStore();
        expect((await others.pull(name)).pulledDigest).to.equal(digest);
        expect(await treeOf(name, dataRoot)).to.deep.equal(made);
      } finally {
        await registry.stop();
      }
    },
  );

  needsProgram('skopeo').it(
    'Archives of both formats are copied by skopeo to both formats',
    async () => {
      for (const from of [`docker-archive:${archive}:${NAME}`, `oci-archive:${archive}:1`])
        for (const format of ['docker-archive', 'oci-archive']) {
          const file = shop.path(`skopeo-${from.split(':')[0]!}-${format}.tar`);
          skopeoCopy(from, `${format}:${file}:${NAME}`);
          await expectLoaded(file);
        }
    },
  );

  needsProgram('umoci').it(
    'The program umoci unpacks what was saved, and adds a layer to it',
    async () => {
      const layout = shop.path('umoci');
      mkdirSync(layout);
      await run('tar', ['-C', layout, '-xf', archive]);
      const bundle = shop.path('bundle');
      await run('umoci', ['unpack', '--image', `${layout}:1`, bundle]);
      await writeFile(shop.path('umoci.tree'), `${scanTree(join(bundle, 'rootfs')).join('\n')}\n`);
      expectTree(shop.path('umoci.tree'), ['emptyAttribute']);
      execFileSync('touch', ['-d', '@1000000000', join(bundle, 'rootfs/added')]);
      await run('umoci', ['repack', '--image', `${layout}:2`, bundle]);
      await run('umoci', ['rm', '--image', `${layout}:1`]);
      const file = packDirectory(layout, shop.path('umoci.tar'));
      const { images, dataRoot } = newStore();
      const loaded = await images.load(file);
      const tree = await treeOf(loaded[0]!.id, dataRoot);
      expect(tree.filter((line) => line.startsWith('./added '))).to.have.length(1);
      expect(tree.filter((line) => !line.startsWith('./added '))).to.deep.equal(made);
    },
  );

  /** In a mount namespace of its own, in which all that a tool mounts ends with it. */
  async function inShell(script: string): Promise<void> {
    const env = { ...process.env, NAME, ARCHIVE: archive, SCAN };
    const lines = `set -e; cd ${shop.path()}; scan() { python3 -I -c "$SCAN" "$1"; }; ${script}`;
    await run('unshare', ['--mount', 'bash', '-c', lines], { env, maxBuffer: 2 ** 26 });
  }
  const storage = (name: string) =>
    `--root ${shop.path(name, 'root')} --runroot ${shop.path(name, 'run')} --storage-driver overlay`;

  needsProgram('podman').it(
    'The program podman loads what was saved, and its archives are loaded',
    async () => {
      const podman = `podman ${storage('podman')} --tmpdir ${shop.path('podman/tmp')} --events-backend none`;
      await inShell(`${podman} load -q -i "$ARCHIVE"
      scan "$(${podman} image mount "$NAME")" >podman.tree; ${podman} image umount "$NAME"
      for format in docker-archive oci-archive; do ${podman} save -q --format $format -o podman-$format.tar "$NAME"; done`);
      expectTree(shop.path('podman.tree'), ['emptyAttribute', 'oldTimes', 'inheritedAcl']);
      for (const format of ['docker-archive', 'oci-archive'])
        await expectLoaded(shop.path(`podman-${format}.tar`));
    },
  );

  needsProgram('buildah').it('The program buildah adds a layer to what was saved', async () => {
    const buildah = `buildah ${storage('buildah')}`;
    await inShell(`box=$(${buildah} from "oci-archive:$ARCHIVE:1"); root=$(${buildah} mount $box)
      scan "$root" >buildah.tree; touch -d @1000000000 "$root/added"; ${buildah} commit -q $box added:1
      for format in docker-archive oci-archive; do ${buildah} push -q added:1 $format:buildah-$format.tar:example.org/added:1; done
      ${buildah} rm $box`);
    expectTree(shop.path('buildah.tree'), ['emptyAttribute', 'oldTimes', 'inheritedAcl']);
    const added = './added 0o100644 0 0 0 1000000000000000000 e3b0c44298fc1c14 ';
    for (const format of ['docker-archive', 'oci-archive'])
      await expectLoaded(shop.path(`buildah-${format}.tar`), 'example.org/added:1', [added]);
  });

  needsProgram('dockerd').it(
    'Docker loads what was saved, and its archives are loaded',
    async () => {
      const script = `set -e; cd ${shop.path()}; docker load -q -i "$ARCHIVE"
      lower=$(docker image inspect -f '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}' "$NAME")
      mkdir docker; unshare --mount sh -ec 'mount -t overlay overlay -o "ro,lowerdir=$0" docker; python3 -I -c "$SCAN" docker >docker.tree' "$lower"
      docker save -o docker.tar "$NAME"; docker run --rm --network none "$NAME" >docker.output
      docker create --name box "$NAME"; docker export -o exported.tar box`;
      const env = { ...process.env, NAME, ARCHIVE: archive, SCAN, TMPDIR: '/tmp' };
      await run(join(repository, 'scripts/with-docker'), ['sh', '-c', script], { env });
      expectTree(shop.path('docker.tree'), ['emptyAttribute', 'oldTimes', 'inheritedAcl']);
      expect(readFileSync(shop.path('docker.output'), 'utf8')).to.equal('new\n');
      await expectLoaded(shop.path('docker.tar'));
      const { images, dataRoot } = newStore();
      const { id } = await images.import(createReadStream(shop.path('exported.tar')));
      const names = (tree: FileTree) => tree.map((line) => line.split(' 0o')[0]);
      expect(names(await treeOf(id, dataRoot))).to.include.members(names(made));
    },
  );
});
