/** Layers as real programs make them: what caisson-archive writes is what GNU tar extracts, with all metadata. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { differentBelow } from '../../lib/image/unpack/implied-directories.js';
import { unpackLayer } from '../../lib/image/unpack/unpack-layer.js';
import { LayerStore } from '../support/layer-store.js';
import { needsRoot } from '../support/needs.js';
import { tarArchive, type TarEntry } from '../support/tar-archive.js';
import { type DumpedFile, dumpTree } from '../support/tree-dump.js';

/** A tree with every kind of file; names are bytes. */
const MAKE = `
import os, stat, sys
os.umask(0)
os.chdir(sys.argv[1])
def put(name, data=b'', mode=0o644, uid=0, gid=0):
    with open(name, 'wb') as f: f.write(data)
    os.chown(name, uid, gid); os.chmod(name, mode)
os.makedirs('usr/bin'); os.makedirs('deep/' + '/'.join('d%d' % i for i in range(60)))
put('usr/bin/su', b'#!' * 3000, 0o4755)
put('usr/bin/wall', b'x', 0o2755, 0, 5)
put('usr/bin/ping', b'ping', 0o755)
os.setxattr('usr/bin/ping', 'security.capability', bytes.fromhex('0100000200200000000000000000000000000000'))
put('owned', b'o', 0o600, 1000, 1001)
os.link('owned', 'usr/hard')
os.symlink('../owned', 'usr/soft'); os.symlink('/absolute/nowhere', 'usr/dangling'); os.lchown('usr/soft', 7, 8)
os.mkfifo('fifo', 0o620)
os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3)); os.mknod('disk', stat.S_IFBLK | 0o660, os.makedev(259, 70000)); os.chown('disk', 0, 6)
os.mkdir('tmp'); os.chmod('tmp', 0o1777); os.mkdir('group'); os.chown('group', 3, 4); os.chmod('group', 0o2770)
put('group/in', b'i')
os.mkdir('locked'); put('locked/x'); os.chmod('locked', 0)
put(b'latin-\\xe9\\xff', b'bytes'); put('new\\nline'); put('umlaut-\\u00e4')
put('n' * 255, b'long'); os.symlink('t' * 300, 'longlink')
with open('sparse', 'wb') as f:
    f.truncate(20 << 20)
    for at in (0, 5 << 20, (20 << 20) - 3): f.seek(at); f.write(b'abc')
with open('hole', 'wb') as f: f.truncate(1 << 20)
put('big', os.urandom(1 << 20) * 3)
put('empty')
os.setxattr('owned', 'user.one', b'1'); os.setxattr('usr', 'user.directory', b'\\0\\xff')
acl = bytes.fromhex('02000000' '01000600ffffffff' '02000400e8030000' '04000400ffffffff' '10000600ffffffff' '20000400ffffffff')
os.setxattr('empty', 'system.posix_acl_access', acl)
os.setxattr('tmp', 'system.posix_acl_default', acl)
put('tmp/under', b'', 0o640)
n = 1_000_000_000_123_456_789
for path, dirs, files in os.walk('.', topdown=False):
    for name in files + dirs:
        p = os.path.join(path, name)
        os.utime(p, ns=(n, n), follow_symlinks=False)
        n += 1_000_000_007
`;

const { describe: suite } = needsRoot('owners and devices');

suite('Layers of real programs', () => {
  let store: LayerStore;
  let work: string;

  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'caisson-tree-'));
    await mkdir(join(work, 'tree'));
    execFileSync('python3', ['-c', MAKE, join(work, 'tree')]);
  });
  after(() => rm(work, { recursive: true, force: true }));
  beforeEach(async () => {
    store = await LayerStore.make();
  });
  afterEach(() => store.remove());

  function tar(...args: readonly string[]): Buffer {
    const file = join(work, 'archive.tar');
    execFileSync('tar', ['-C', join(work, 'tree'), ...args, '-cf', file, '.']);
    return readFileSync(file);
  }

  async function extracted(): Promise<Record<string, DumpedFile>> {
    const directory = join(work, 'extracted');
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    execFileSync('tar', ['-C', directory, '--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', join(work, 'archive.tar')]); // prettier-ignore
    return dumpTree(directory);
  }

  /** `before` has what the format cannot say. */
  async function expectSame(archive: Buffer, should: Record<string, DumpedFile>): Promise<void> {
    const { path, implied } = await store.unpack(archive);
    const is = dumpTree(join(path, 'root'));
    expect(Object.keys(is)).to.deep.equal(Object.keys(should));
    for (const [name, file] of Object.entries(should)) expect(is[name], name).to.deep.equal(file);
    expect(implied).to.deep.equal([]);
  }

  it('A pax archive of GNU tar is unpacked with all that the tree had', async () => {
    const archive = tar('--format=pax', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-S');
    await expectSame(archive, dumpTree(join(work, 'tree')));
  });

  for (const format of ['gnu', 'oldgnu', 'posix'])
    it(`What GNU tar extracts from its format ${format} is what is unpacked`, async () => {
      const archive = tar(`--format=${format}`, '--numeric-owner');
      await expectSame(archive, await extracted());
    });

  for (const version of ['0.0', '0.1', '1.0', 'gnu'])
    it(`Sparse files of the format ${version} have their holes and their data`, async () => {
      const format = version === 'gnu' ? ['--format=gnu'] : ['--format=pax', `--sparse-version=${version}`]; // prettier-ignore
      const archive = tar(...format, '--numeric-owner', '-S');
      const { path } = await store.unpack(archive);
      const [is, should] = [dumpTree(join(path, 'root')), dumpTree(join(work, 'tree'))];
      for (const name of ['sparse', 'hole', 'big']) {
        expect(is[name]?.sha256, name).to.equal(should[name]?.sha256);
        expect(is[name]?.holes, name).to.equal(name !== 'big');
      }
    });

  it('Archives of Python’s tarfile in each of its formats are unpacked as it extracts them', async () => {
    for (const format of ['GNU', 'PAX', 'USTAR']) {
      const program = `
import os, sys, tarfile
os.chdir(sys.argv[1])
with tarfile.open(sys.argv[2], 'w', format=tarfile.${format}_FORMAT) as t:
    for name in ('usr', 'group', 'fifo', 'null', 'owned', 'big', 'tmp'): t.add(name)
os.makedirs(sys.argv[3])
with tarfile.open(sys.argv[2]) as t: t.extractall(sys.argv[3], numeric_owner=True)
`;
      const file = join(work, `python-${format}.tar`);
      const directory = join(work, `python-${format}`);
      execFileSync('python3', ['-c', program, join(work, 'tree'), file, directory]);
      const { path } = await store.unpack(readFileSync(file));
      const is = dumpTree(join(path, 'root'));
      const should = dumpTree(directory);
      for (const tree of [is, should]) delete tree['.'];
      // Python's times are fractions of floating point, and links get none.
      const rounded = (tree: Record<string, DumpedFile>) =>
        Object.entries(tree).map(([name, file]) => {
          const mtime = file.target === undefined ? file.mtime.slice(0, 10) : '';
          return [name, { ...file, mtime, attributes: {} }];
        });
      expect(rounded(is), format).to.deep.equal(rounded(should));
    }
  });

  it('Compressed members one after the other and a descriptor as input give the same layer', async () => {
    const archive = tar('--format=pax', '--numeric-owner');
    const half = archive.length >> 1;
    const members = Buffer.concat([gzipSync(archive.subarray(0, half)), gzipSync(archive.subarray(half))]); // prettier-ignore
    const file = join(work, 'layer.gz');
    writeFileSync(file, members);
    const { diffId, files } = await store.unpack(archive);
    const sha256 = execFileSync('sha256sum', { input: archive }).toString('latin1', 0, 64);
    expect(diffId).to.equal(`sha256:${sha256}`);
    for (const form of ['stream', 'descriptor'] as const) {
      const other = await LayerStore.make();
      const fd = openSync(file, 'r');
      try {
        const layer =
          form === 'stream'
            ? await other.unpack(members, { diffId })
            : await unpackLayer(other.paths, { input: fd, diffId });
        expect(layer.diffId).to.equal(diffId);
        expect(layer.files).to.equal(files);
      } finally {
        closeSync(fd);
        await other.remove();
      }
    }
  });

  it('A later entry of the same name replaces the earlier one, whatever both are', async () => {
    const { path } = await store.unpack(
      tarArchive(
        { name: 'a', data: 'first' },
        { name: 'd/', type: '5', mode: 0o700 },
        { name: 'd/x/y', data: 'gone' },
        { name: 'kept/', type: '5', mode: 0o700 },
        { name: 'kept/in', data: 'kept' },
        { name: 'link', type: '2', link: 'a' },
        { name: 'link', data: 'not through the link' },
        { name: 'a', data: 'last', mode: 0o600 },
        { name: 'd', type: '2', link: 'kept' },
        { name: 'kept/', type: '5', mode: 0o711, uid: 3 },
        { name: 'hard', data: 'own' },
        { name: 'hard', type: '1', link: 'a' },
      ),
    );
    const root = join(path, 'root');
    const dumped = dumpTree(root);
    expect(Object.keys(dumped)).to.deep.equal(['.', 'a', 'd', 'hard', 'kept', 'kept/in', 'link']);
    expect(readFileSync(join(root, 'a'), 'latin1')).to.equal('last');
    expect(readFileSync(join(root, 'link'), 'latin1')).to.equal('not through the link');
    expect(dumped['d']?.target).to.equal('kept');
    expect(dumped['kept']).to.include({ mode: '0o40711', uid: 3 });
    expect(dumped['hard']?.same).to.equal('a');
  });

  it('Directories that are not in the archive are listed, with bytes that are no text escaped', async () => {
    const { implied } = await store.unpack(
      tarArchive(
        { name: 'a/b/c', data: '' },
        { name: 'a/b/', type: '5' },
        { name: Buffer.from('x \xff%/y', 'latin1') },
      ),
    );
    expect(implied).to.deep.equal(['.', 'a', 'x%20%FF%25']);
  });

  it('A directory that only a layer below contains has its attributes in a layer that is unpacked for this chain', async () => {
    const modified = 1_000_000_000;
    const below = await store.unpack(
      tarArchive(
        { name: './', type: '5', mode: 0o711 },
        { name: 'tmp/', type: '5', mode: 0o1777, uid: 70_000, mtime: modified },
        { name: 'usr/', type: '5' },
        { name: 'n \xff/', type: '5', gid: 3_000_000, mode: 0o2750 },
        { name: 'own/', type: '5', mode: 0o700 },
      ),
    );
    const archive = tarArchive(
      { name: 'tmp/x' },
      { name: 'usr/x' },
      { name: 'n \xff/x' },
      { name: 'new/x' },
      { name: 'own/x' },
      { name: 'own/', type: '5', mode: 0o750 },
    );
    const layer = await store.unpack(archive);
    const middle = await store.unpack(tarArchive({ name: 'tmp/other' }));
    expect(differentBelow(middle, [])).to.deep.equal([]);
    const directories = differentBelow(layer, [below, middle]);
    expect(directories.map(({ path }) => path.toString())).to.have.members(['.', 'tmp', 'n \xff']);
    const id = `sha256:${'c'.repeat(64)}`;
    const { diffId } = layer;
    const again = await store.unpack(archive, { diffId, id, directories });
    expect(again).to.include({ diffId, path: store.paths.layer(id) });
    expect(again.implied).to.deep.equal(layer.implied);
    const dumped = dumpTree(join(again.path, 'root'));
    expect(dumped['.']).to.include({ mode: '0o40711' });
    expect(dumped['tmp']).to.include({
      mode: '0o41777',
      uid: 70_000,
      mtime: `${modified}000000000`,
    });
    const odd = dumped[Buffer.from('n \xff').toString('latin1')];
    expect(odd).to.include({ mode: '0o42750', gid: 3_000_000 });
    expect(dumped['new']).to.include({ mode: '0o40755', uid: 0 });
    expect(dumped['own']).to.include({ mode: '0o40750' });
    expect(dumped['tmp/x']).to.include({ uid: 0, mode: '0o100644' });
  });

  it('What is there already is not unpacked again, and two that unpack one layer at once get the same', async () => {
    const archive = tarArchive({ name: 'a', data: 'x' });
    const { diffId } = await store.unpack(archive);
    await store.remove();
    await store.paths.prepare();
    const both = await Promise.all([
      store.unpack(archive, { diffId }),
      store.unpack(archive, { diffId }),
    ]);
    expect(both[0]).to.deep.equal(both[1]);
    // Not even read.
    expect(await store.unpack(Buffer.from('rubbish'), { diffId })).to.deep.equal(both[0]);
    expect(store.names().ingest).to.deep.equal([]);
  });
});

suite('Whiteouts', () => {
  let store: LayerStore;
  beforeEach(async () => {
    store = await LayerStore.make();
  });
  afterEach(() => store.remove());

  const OPAQUE = { 'trusted.overlay.opaque': Buffer.from('y').toString('hex') };

  async function dump(...entries: readonly TarEntry[]) {
    const { path } = await store.unpack(tarArchive(...entries));
    return dumpTree(join(path, 'root'));
  }

  it('A whiteout is a device 0:0, and an opaque directory has the attribute', async () => {
    const dumped = await dump(
      { name: '.wh.gone' },
      { name: 'd/.wh.gone' },
      { name: 'o/.wh..wh..opq' },
      { name: 'o/new', data: 'n' },
    );
    expect(dumped['gone']?.device).to.deep.equal([0, 0]);
    expect(dumped['d/gone']?.device).to.deep.equal([0, 0]);
    expect(dumped['o']?.attributes).to.deep.equal(OPAQUE);
    expect(dumped['d']?.attributes).to.deep.equal({});
    expect(Object.keys(dumped)).to.deep.equal(['.', 'd', 'd/gone', 'gone', 'o', 'o/new']);
  });

  it('An opaque directory is the same, whatever the order of its entries', async () => {
    const entries = [
      { name: 'o/', type: '5', mode: 0o750 },
      { name: 'o/.wh..wh..opq' },
      { name: 'o/x', data: 'x' },
    ];
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ]) {
      const dumped = await dump(...order.map((index) => entries[index]!));
      expect(dumped['o']).to.deep.include({ mode: '0o40750', attributes: OPAQUE });
      expect(Object.keys(dumped)).to.deep.equal(['.', 'o', 'o/x']);
      await store.remove();
      await store.paths.prepare();
    }
  });

  it('A whiteout hides what is below the layer, and not what the layer has itself', async () => {
    const dumped = await dump(
      { name: 'f', data: 'new' },
      { name: '.wh.f' },
      { name: '.wh.g' },
      { name: 'g', data: 'new' },
      { name: 'd/', type: '5' },
      { name: '.wh.d' },
      { name: '.wh.e' },
      { name: 'e/', type: '5' },
      { name: '.wh.i' },
      { name: 'i/x', data: 'x' },
    );
    expect(dumped['f']?.size).to.equal(3);
    expect(dumped['g']?.size).to.equal(3);
    for (const name of ['d', 'e', 'i'])
      expect(dumped[name]?.attributes, name).to.deep.equal(OPAQUE);
  });

  it('What aufs keeps for itself is left out', async () => {
    const dumped = await dump(
      { name: '.wh..wh.aufs' },
      { name: '.wh..wh.plnk/', type: '5' },
      { name: '.wh..wh.plnk/1.2', data: 'x' },
      { name: 'a' },
    );
    expect(Object.keys(dumped)).to.deep.equal(['.', 'a']);
  });
});
