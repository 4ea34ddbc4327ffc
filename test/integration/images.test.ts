/** `engine.images`: archives of other tools and our own, names, and what is removed. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { imagesIn } from '../../lib/engine/images-in.js';
import type { Images } from '../../lib/engine/images/images.js';
import { followEvents } from '../../lib/engine/store/event-log.js';
import { CREATED } from '../../lib/engine/store/parse-stored.js';
import { Store } from '../../lib/engine/store/store.js';
import { ContentStore } from '../../lib/image/content/content-store.js';
import {
  ociArchive,
  oldDockerImage,
  packDirectory,
  skopeoCopy,
  tarOf,
  writeOldDockerArchive,
} from '../support/archives.js';
import { Mutator, Random } from '../fuzz/mutator.js';
import { CaissonError } from '../../lib/index.js';
import { openDescriptors } from '../support/leftovers.js';
import { withChecksums } from '../support/tar-blocks.js';
import { expectConsistent, leftIn } from '../support/image-store.js';
import { imageLayout, needsSkopeo } from '../support/images.js';
import { needsProgram } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';

describe('Images', function () {
  this.timeout(60_000);
  let directory: string;
  let store: Store;
  let content: ContentStore;
  let images: Images;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    store = new Store({ dataRoot: join(directory, 'data'), runRoot: join(directory, 'run') });
    store.prepare();
    content = new ContentStore(join(directory, 'data'));
    images = imagesIn(store);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const path = (name: string): string => join(directory, name);
  async function* streamOf(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const saved = async (...names: string[]): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    for await (const part of images.save(names)) parts.push(part);
    return Buffer.concat(parts);
  };
  const loadOld = (tag: string, seed = 1) =>
    images.load(
      writeOldDockerArchive(path(`old-${seed}-${tag.replaceAll(/\W/g, '-')}`), tag, seed),
    );
  const events = async () => {
    const all: string[] = [];
    for await (const event of followEvents(store.paths.runRoot, { since: 0, until: new Date() }))
      all.push(`${event.type} ${event.action} ${event.attributes['name']}`);
    return all;
  };
  /** As a container that was made from the image. */
  const addUser = async (manifest: string, status: 'exited' | 'running', id = 'c'.repeat(64)) => {
    const config = { version: 1, id, name: 'box', image: { kind: 'name', name: 'x', manifest } };
    mkdirSync(store.directory(id), { recursive: true });
    writeFileSync(join(store.directory(id), 'config.json'), JSON.stringify(config));
    const state = { ...CREATED, status };
    writeFileSync(join(store.directory(id), 'state.json'), JSON.stringify(state));
  };

  describe('load', () => {
    it('An archive of an old docker save is loaded, with layers that are links', async () => {
      const { id } = oldDockerImage(1);
      expect(await loadOld('example/old:1')).to.deep.equal([{ id, names: ['example/old:1'] }]);
      const image = await images.inspect('docker.io/example/old:1');
      expect(image).to.deep.include({ id, names: ['example/old:1'], digests: [], size: 12_288 });
      expect(image.config.cmd).to.deep.equal(['/bin/true']);
      expect(await events()).to.deep.equal(['image load example/old:1']);
      expectConsistent(content);
      expect(leftIn(content)).to.deep.equal([]);
    });

    needsSkopeo().it(
      'Archives by skopeo, and a layout as tar, have the ids that skopeo tells',
      async () => {
        const layout = `oci:${imageLayout('busybox')}:latest`;
        skopeoCopy(layout, `docker-archive:${path('docker.tar')}:example/docker:1`);
        skopeoCopy(layout, `oci-archive:${path('oci.tar')}:example.org/oci:1`);
        packDirectory(imageLayout('busybox'), path('layout.tar'));
        const configs = execFileSync('skopeo', ['inspect', '--config', '--raw', layout]);
        const raw = JSON.parse(execFileSync('skopeo', ['inspect', '--raw', layout], { encoding: 'utf8' })) as { config: { digest: string } }; // prettier-ignore
        const docker = await images.load(path('docker.tar'));
        expect(docker.map(({ names }) => names)).to.deep.equal([['example/docker:1']]);
        const oci = await images.load(path('oci.tar'));
        expect(oci).to.deep.equal([{ id: raw.config.digest, names: ['example.org/oci:1'] }]);
        // Its name there is a bare tag.
        expect(await images.load(path('layout.tar'))).to.deep.equal([
          { id: raw.config.digest, names: [] },
        ]);
        const inspected = await images.inspect('example.org/oci:1');
        const { architecture } = JSON.parse(configs.toString()) as { architecture: string };
        expect(inspected.config.architecture).to.equal(architecture);
        expectConsistent(content);
      },
    );

    const broken = async (archive: Buffer, random: Random, rounds: number) => {
      const mutator = new Mutator(random, [archive], [Buffer.from('../'), Buffer.from('{'), Buffer.from('"')], Infinity); // prettier-ignore
      for (let round = 0; round < rounds; round++) {
        const bytes = mutator.next();
        const file = path('broken.tar');
        writeFileSync(file, round % 2 === 0 ? withChecksums(bytes) : bytes);
        try {
          await images.load(file);
        } catch (error) {
          expect(error).to.be.instanceOf(CaissonError);
          expect((error as CaissonError).code).to.match(/^ERR_(?:INVALID_(?:IMAGE|MANIFEST|LAYER|REFERENCE|OPTION)|DIGEST_MISMATCH|LAYER_TOO_LARGE)$/); // prettier-ignore
        }
      }
      expectConsistent(content);
      expect(leftIn(content).filter((name) => !/^(?:new-|blob-|sha256-)/.test(name))).to.deep.equal([]); // prettier-ignore
    };

    it('Damaged archives of our own and of old dockers are loaded or refused, and leave nothing open', async () => {
      await loadOld('example/old:1');
      const seed = Date.now() % 2 ** 31;
      const random = new Random(seed);
      const before = openDescriptors();
      for (const archive of [
        readFileSync(path('old-1-example-old-1.tar')),
        await saved('example/old:1'),
        ociArchive({}),
      ])
        await broken(archive, random, 25).catch((error: unknown) => {
          throw new Error(`with the seed ${seed}`, { cause: error });
        });
      expect(openDescriptors()).to.deep.equal(before);
    });

    needsSkopeo().it('So are those of skopeo', async () => {
      writeFileSync(path('oci.tar'), ociArchive({ name: 'example/one:1' }));
      await images.load(path('oci.tar'));
      writeFileSync(path('own.tar'), await saved('example/one:1'));
      for (const kind of ['docker-archive', 'oci-archive']) {
        const target = path(`${kind}.tar`);
        skopeoCopy(`docker-archive:${path('own.tar')}`, `${kind}:${target}:example/two:1`);
        await broken(readFileSync(target), new Random(Date.now() % 2 ** 31), 25);
      }
    });

    it('The same archive is loaded compressed with gzip, and in pieces of any size', async () => {
      const bytes = readFileSync(writeOldDockerArchive(path('old'), 'example/old:1'));
      for (const [name, input] of [
        ['compressed', streamOf(gzipSync(bytes))],
        ['pieces', streamOf(bytes, 333)],
        ['bytes', streamOf(bytes.subarray(0, 12_288), 1)],
      ] as const) {
        const load = images.load(input);
        if (name === 'bytes')
          expect((await rejectionOf(load)).message).to.include('ends too early');
        else expect(await load, name).to.have.length(1);
      }
    });

    it('What is malformed, or refers to what is not there, is refused, and no image is added', async () => {
      const { layers, config, id } = oldDockerImage(1);
      const hex = id.slice(7);
      const manifest = (entry: object) =>
        JSON.stringify([{ Config: `${hex}.json`, RepoTags: ['x:1'], Layers: ['0.tar'], ...entry }]);
      const whole = (text: string) =>
        tarOf([
          [`${hex}.json`, config],
          [`${'1'.repeat(64)}.tar`, layers[0]!.bytes],
          [`${'2'.repeat(64)}.tar`, layers[1]!.bytes],
          ['manifest.json', text],
        ]);
      const names = ['1', '2'].map((digit) => `${digit.repeat(64)}.tar`);
      const good = manifest({ Layers: names });
      const cases: readonly (readonly [what: string, archive: Buffer, code: string])[] = [
        ['nothing', Buffer.alloc(0), 'ERR_INVALID_IMAGE'],
        ['no tar', Buffer.alloc(2048, 'x'), 'ERR_INVALID_IMAGE'],
        ['cut short', whole(good).subarray(0, 9000), 'ERR_INVALID_IMAGE'],
        ['no end', whole(good).subarray(0, -1024), 'ERR_INVALID_IMAGE'],
        ['neither manifest', tarOf([['x', 'y']]), 'ERR_INVALID_IMAGE'],
        ['a manifest that is no list', whole('{}'), 'ERR_INVALID_IMAGE'],
        ['a name that is none', whole(manifest({ Layers: names, RepoTags: ['A B'] })), 'ERR_INVALID_REFERENCE'],
        ['too few layers', whole(manifest({ Layers: names.slice(1) })), 'ERR_INVALID_IMAGE'],
        ['layers that are exchanged', whole(manifest({ Layers: [...names].reverse() })), 'ERR_DIGEST_MISMATCH'],
        ['a layer that is missing', whole(manifest({ Layers: [names[0], '../../etc/passwd'] })), 'ERR_INVALID_IMAGE'],
        ['10,000 layers', whole(manifest({ Layers: Array(10_000).fill(names[0]) })), 'ERR_INVALID_IMAGE'],
        ['a configuration of another id', tarOf([[`${'3'.repeat(64)}.json`, config], ['manifest.json', manifest({ Config: `${'3'.repeat(64)}.json`, Layers: names })]]), 'ERR_DIGEST_MISMATCH'],
        ['a configuration that is missing', whole(manifest({ Config: '../x' })), 'ERR_INVALID_IMAGE'],
        ['a name with ..', tarOf([['../x', 'y'], ['manifest.json', good]]), 'ERR_INVALID_IMAGE'],
        ['an absolute name', tarOf([['/etc/x', 'y']]), 'ERR_INVALID_IMAGE'],
        ['two manifests', tarOf([['manifest.json', good], ['manifest.json', good]]), 'ERR_INVALID_IMAGE'],
        ['a blob with another digest', ociArchive({ layer: Buffer.alloc(4096) }), 'ERR_DIGEST_MISMATCH'],
        ['a blob of another size', ociArchive({ layer: Buffer.alloc(10) }), 'ERR_DIGEST_MISMATCH'],
        ['an index that is a manifest', ociArchive({ index: () => ({ schemaVersion: 2, layers: [] }) }), 'ERR_INVALID_MANIFEST'],
        ['an index that refers to nothing', ociArchive({ index: (each) => ({ schemaVersion: 2, manifests: [{ ...each, digest: `sha256:${'0'.repeat(64)}` }] }) }), 'ERR_INVALID_IMAGE'],
        ['zstd', Buffer.from('28b52ffd00000000', 'hex'), 'ERR_INVALID_IMAGE'],
        ['damaged gzip', Buffer.concat([gzipSync(whole(good)).subarray(0, 200), Buffer.alloc(500)]), 'ERR_INVALID_IMAGE'],
      ]; // prettier-ignore
      for (const [what, archive, code] of cases) {
        const error = await rejectionOf(images.load(streamOf(archive)));
        expect(error.code, `${what}: ${error.message}`).to.equal(code);
        expect(content.entries(), what).to.deep.equal([]);
      }
      expect((await rejectionOf(images.load(path('missing.tar')))).code).to.equal(
        'ERR_NO_SUCH_SOURCE',
      );
      await images.prune();
      expect(readdirSync(content.paths.blobs)).to.deep.equal([]);
      expect(leftIn(content)).to.deep.equal([]);
      // That the archive is good otherwise.
      expect(await images.load(streamOf(whole(good)))).to.have.length(1);
    });
  });

  describe('save', () => {
    it('What is saved can be loaded elsewhere, and has the same ids and names', async () => {
      await loadOld('example/one:1', 1);
      await loadOld('example/two:1', 3);
      await images.tag('example/one:1', 'example/one:2');
      const archive = await saved('example/one:1', 'example/one:2', 'example/two:1');
      const other = imagesIn(new Store({ dataRoot: path('data2'), runRoot: path('run') }));
      const loaded = await other.load(streamOf(archive));
      expect(loaded).to.deep.equal([
        { id: oldDockerImage(1).id, names: ['example/one:1', 'example/one:2'] },
        { id: oldDockerImage(3).id, names: ['example/two:1'] },
      ]);
      const [before, after] = [await images.inspect('example/one:1'), await other.inspect('example/one:1')]; // prettier-ignore
      expect({ ...after, tagged: '' }).to.deep.equal({ ...before, tagged: '' });
    });

    it('A repository without a tag is saved with all its tags', async () => {
      await loadOld('example/one:1', 1);
      await loadOld('example/one:2', 3);
      await images.tag('example/one:1', 'example/one-more:1');
      const other = imagesIn(new Store({ dataRoot: path('data2'), runRoot: path('run') }));
      const loaded = await other.load(streamOf(await saved('example/one')));
      expect(loaded.flatMap(({ names }) => names)).to.deep.equal([
        'example/one:1',
        'example/one:2',
      ]);
    });

    it('An image that is named by its id is saved without names, and what is missing is an error', async () => {
      await loadOld('example/one:1', 1);
      const { id } = oldDockerImage(1);
      const other = imagesIn(new Store({ dataRoot: path('data2'), runRoot: path('run') }));
      const archive = await saved(id.slice(7, 19));
      expect(await other.load(streamOf(archive))).to.deep.equal([{ id, names: [] }]);
      expect((await rejectionOf(saved('example/none:1'))).code).to.equal('ERR_NO_SUCH_IMAGE');
    });

    needsSkopeo().it(
      'What is saved is read by skopeo as a docker-archive and as an oci-archive',
      async () => {
        packDirectory(imageLayout('forty'), path('layout.tar'));
        const [loaded] = await images.load(path('layout.tar'));
        await images.tag(loaded!.id, 'example/forty:1');
        writeFileSync(path('saved.tar'), await saved('example/forty:1'));
        const inspect = (name: string) => {
          const text = execFileSync('skopeo', ['inspect', name], { encoding: 'utf8' });
          return JSON.parse(text) as { Layers: string[]; Digest: string };
        };
        expect(inspect(`oci-archive:${path('saved.tar')}:1`).Digest).to.equal((await images.inspect('example/forty:1')).digest); // prettier-ignore
        expect(inspect(`docker-archive:${path('saved.tar')}`).Layers).to.have.length(40);
        skopeoCopy(`docker-archive:${path('saved.tar')}`, `dir:${path('copied')}`);
      },
    );

    needsProgram('umoci').it('What is saved is an OCI layout that umoci reads', async () => {
      await loadOld('example/one:1', 1);
      mkdirSync(path('layout'));
      execFileSync('tar', ['-C', path('layout'), '-xf', '-'], {
        input: await saved('example/one:1'),
      });
      const list = execFileSync('umoci', ['list', '--layout', path('layout')], {
        encoding: 'utf8',
      });
      expect(list.trim()).to.equal('1');
      const stat = execFileSync('umoci', ['stat', '--json', '--image', `${path('layout')}:1`]);
      expect((JSON.parse(stat.toString()) as { history: object[] }).history).to.have.length(3);
    });
  });

  describe('names', () => {
    it('A tag that another image gets leaves the image without a name', async () => {
      await loadOld('example/x:1', 1);
      await loadOld('example/x:1', 3);
      const list = await images.list();
      expect(list.map(({ id, names }) => [id, names])).to.have.deep.members([
        [oldDockerImage(1).id, []],
        [oldDockerImage(3).id, ['example/x:1']],
      ]);
      expect((await images.list(['dangling=true'])).map(({ id }) => id)).to.deep.equal([oldDockerImage(1).id]); // prettier-ignore
      await images.tag(oldDockerImage(1).id, 'back');
      expect(await images.list(['dangling=true'])).to.deep.equal([]);
      expect((await images.inspect('back:latest')).id).to.equal(oldDockerImage(1).id);
    });

    it('Filters and the history are those of Docker', async () => {
      await loadOld('example/one:1', 1);
      await loadOld('example/two:1', 3);
      const idsOf = async (...filters: string[]) => (await images.list(filters)).map(({ names }) => names[0]); // prettier-ignore
      expect(await idsOf('reference=example/o*')).to.deep.equal(['example/one:1']);
      expect(await idsOf('reference=example/*:2')).to.deep.equal([]);
      expect(await idsOf('reference=*')).to.deep.equal([]);
      expect(await idsOf('label=seed=3')).to.deep.equal(['example/two:1']);
      expect(await idsOf('until=2024-01-01T00:00:00Z')).to.deep.equal([]);
      expect(await idsOf('before=example/one:1')).to.deep.equal([]);
      expect((await rejectionOf(images.list(['since=example/none']))).code).to.equal('ERR_NO_SUCH_IMAGE'); // prettier-ignore
      const history = await images.history('example/one:1');
      expect(history.map(({ createdBy, size, id }) => [createdBy, size, id.slice(0, 9)])).to.deep.equal([
        ['last', 8192, oldDockerImage(1).id.slice(0, 9)],
        ['nothing', 0, '<missing>'],
        ['first', 4096, '<missing>'],
      ]); // prettier-ignore
    });
  });

  describe('remove', () => {
    it('The image goes with its last name, and only the name before', async () => {
      await loadOld('example/x:1');
      await images.tag('example/x:1', 'example/y:1');
      const { id } = oldDockerImage(1);
      expect(await images.remove('example/x:1')).to.deep.equal({ untagged: ['example/x:1'], deleted: [], freed: 0 }); // prettier-ignore
      const last = await images.remove('example/y:1');
      expect(last.untagged).to.deep.equal(['example/y:1']);
      expect(last.deleted[0]).to.equal(id);
      expect(last.freed).to.be.greaterThan(12_288);
      expect(readdirSync(content.paths.blobs)).to.deep.equal([]);
      expect(await events()).to.include.members(['image untag example/x:1', `image delete ${id}`]);
      expect((await rejectionOf(images.remove('example/x:1'))).code).to.equal('ERR_NO_SUCH_IMAGE');
    });

    it('By its id it is removed with all names of one repository, and by force with all', async () => {
      await loadOld('example/x:1');
      await images.tag('example/x:1', 'example/y:1');
      const id = oldDockerImage(1).id.slice(7, 19);
      const error = await rejectionOf(images.remove(id));
      expect(error.code).to.equal('ERR_IMAGE_IN_USE');
      expect(error.message).to.include(`unable to delete ${id} (must be forced) - image is referenced in multiple repositories`); // prettier-ignore
      expect((await images.remove(id, { force: true })).untagged).to.have.members(['example/x:1', 'example/y:1']); // prettier-ignore
      expect(await images.list()).to.deep.equal([]);
    });

    it('An image that a container was made from is kept, and by force only its name is removed', async () => {
      await loadOld('example/x:1');
      const { digest, id } = await images.inspect('example/x:1');
      await addUser(digest, 'exited');
      const byName = await rejectionOf(images.remove('example/x:1'));
      expect(byName.message).to.include('unable to remove repository reference "example/x:1" (must force) - container cccccccccccc is using'); // prettier-ignore
      const byId = await rejectionOf(images.remove(id));
      expect(byId.message).to.include('(must be forced) - image is being used by stopped container cccccccccccc'); // prettier-ignore
      expect((await images.prune(['dangling=false'])).deleted).to.deep.equal([]);
      // Another name may be removed.
      await images.tag('example/x:1', 'example/x:2');
      expect((await images.remove('example/x:2')).untagged).to.deep.equal(['example/x:2']);
      expect((await images.remove('example/x:1', { force: true })).untagged).to.deep.equal(['example/x:1']); // prettier-ignore
      // The container can be started again.
      expect(readdirSync(content.paths.blobs)).to.have.length(4);
    });

    it('An image of a running container is not removed by its id, even by force', async () => {
      await loadOld('example/x:1');
      const { digest, id } = await images.inspect('example/x:1');
      await addUser(digest, 'running');
      const error = await rejectionOf(images.remove(id, { force: true }));
      expect(error.message).to.include(
        '(cannot be forced) - image is being used by running container',
      );
      await images.remove('example/x:1', { force: true });
      expect((await images.list()).map((image) => [image.id, image.names])).to.deep.equal([
        [id, []],
      ]);
    });

    it('An image of which a blob is missing is not listed, and can be removed by its name', async () => {
      await loadOld('example/x:1');
      const { id } = await images.inspect('example/x:1');
      await rm(content.blobPath(id));
      expect(await images.list()).to.deep.equal([]);
      expect((await images.remove('example/x:1')).untagged).to.deep.equal(['example/x:1']);
      expect(readdirSync(content.paths.blobs)).to.deep.equal([]);
    });

    it('Prune removes images without names, and all that no container was made from if it is asked to', async () => {
      await loadOld('example/x:1', 1);
      await loadOld('example/x:1', 3);
      await loadOld('example/y:1', 5);
      // The image, and its two layers.
      const { deleted } = await images.prune();
      expect(deleted).to.have.length(3);
      expect(deleted[0]).to.equal(oldDockerImage(1).id);
      expect((await images.prune(['dangling=false', 'label=seed=5'])).untagged).to.deep.equal(['example/y:1']); // prettier-ignore
      expect(await images.list()).to.have.length(1);
      expect(await events()).to.include('image prune undefined');
    });
  });

  it('An import makes an image of one layer, with the changes that are asked for', async () => {
    mkdirSync(path('root'));
    writeFileSync(path('root/file'), 'text');
    packDirectory(path('root'), path('root.tar'));
    const image = await images.import(path('root.tar'), 'example/root', {
      changes: [
        'CMD ["/bin/sh"]',
        'ENV A=1 B="2 3"',
        'EXPOSE 80',
        'LABEL a=b',
        'WORKDIR /x',
        'USER 5',
      ],
      message: 'from a test',
      platform: 'linux/arm64',
    });
    expect(image.names).to.deep.equal(['example/root:latest']);
    expect(image.config).to.deep.include({
      architecture: 'arm64',
      cmd: ['/bin/sh'],
      env: ['A=1', 'B=2 3'],
      exposedPorts: ['80/tcp'],
      labels: { a: 'b' },
      workdir: '/x',
      user: '5',
    });
    expect((await images.history('example/root'))[0]).to.include({ comment: 'from a test' });
    expect(image.config.comment).to.equal('from a test');
    const error = await rejectionOf(
      images.import(streamOf(Buffer.alloc(700, 'x')), 'example/none'),
    );
    expect(error.code).to.equal('ERR_INVALID_IMAGE');
    for (const change of ['RUN x', 'CMD', 'EXPOSE x', 'ENV A', '', ' ', '# x'])
      expect((await rejectionOf(images.import(path('root.tar'), 'x', { changes: [change] }))).code).to.equal('ERR_INVALID_OPTION'); // prettier-ignore
  });
});
