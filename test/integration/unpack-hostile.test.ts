/** Archives that no honest program makes: each is refused with a typed error, and nothing outside the layer is touched. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ErrorCode } from '../../lib/base/errors.js';
import { LayerStore } from '../support/layer-store.js';
import {
  gzipBomb,
  TAR_END,
  tarArchive,
  tarEntry,
  tarHeader,
  withChecksum,
} from '../support/tar-archive.js';
import { dumpTree } from '../support/tree-dump.js';

const MIB = 2 ** 20;

/** Outside, as seen from a layer's root: `images/ingest/unpack-…/root`. */
const OUTSIDE = '../../../../outside';

interface Hostile {
  readonly title: string;
  readonly archive: () => Buffer;
  readonly code: ErrorCode;
  readonly message: RegExp;
}

const invalid = (title: string, message: RegExp, archive: () => Buffer): Hostile => ({
  title,
  archive,
  message,
  code: 'ERR_INVALID_LAYER',
});
const large = (title: string, message: RegExp, archive: () => Buffer): Hostile => ({
  ...invalid(title, message, archive),
  code: 'ERR_LAYER_TOO_LARGE',
});

const HOSTILE: readonly Hostile[] = [
  invalid('a name with `..`', /a name with `\.\.` \("\.\.\/x"\)/, () =>
    tarArchive({ name: '../x' }),
  ),
  invalid('a name with `..` in the middle', /a name with `\.\.`/, () =>
    tarArchive({ name: 'a/', type: '5' }, { name: 'a/../../x' }),
  ),
  invalid('an empty name', /an empty name/, () => tarArchive({ name: '' })),
  invalid('a root that is a link', /a root that is not a directory/, () =>
    tarArchive({ name: './', type: '2', link: '/' }),
  ),
  invalid('a file below a link that leads out', /through something that is not a directory/, () =>
    tarArchive({ name: 'out', type: '2', link: OUTSIDE }, { name: 'out/x', data: 'taken over' }),
  ),
  invalid('a file below a file', /through something that is not a directory/, () =>
    tarArchive({ name: 'a' }, { name: 'a/b' }),
  ),
  invalid('a file below a loop of links', /through something that is not a directory/, () =>
    tarArchive({ name: 'a', type: '2', link: 'a' }, { name: 'a/b' }),
  ),
  invalid('a hard link to a file of the host', /a hard link to no file/, () =>
    tarArchive({ name: 'p', type: '1', link: '/etc/passwd' }),
  ),
  invalid('a hard link to a name with `..`', /a hard link to a name with `\.\.`/, () =>
    tarArchive({ name: 'p', type: '1', link: `${OUTSIDE}/secret` }),
  ),
  invalid('a hard link through a link that leads out', /a hard link to no file/, () =>
    tarArchive(
      { name: 'out', type: '2', link: OUTSIDE },
      { name: 'p', type: '1', link: 'out/secret' },
    ),
  ),
  invalid('a hard link to a directory', /a hard link to no file/, () =>
    tarArchive({ name: 'd/', type: '5' }, { name: 'p', type: '1', link: 'd' }),
  ),
  invalid('a hard link to itself', /a hard link to no file/, () =>
    tarArchive({ name: 'p', type: '1', link: 'p' }),
  ),
  invalid('an opaque marker of the root', /a whiteout of the root/, () =>
    tarArchive({ name: '.wh..wh..opq' }),
  ),
  invalid('a whiteout of `.`', /a whiteout of nothing/, () => tarArchive({ name: 'a/.wh..' })),
  invalid('a whiteout of `..`', /a whiteout of nothing/, () => tarArchive({ name: '.wh...' })),
  invalid('a whiteout of nothing', /a whiteout of nothing/, () => tarArchive({ name: '.wh.' })),
  invalid('a file below a whiteout', /a path through a whiteout/, () =>
    tarArchive({ name: '.wh.a/b' }),
  ),
  invalid('a device with a number that is none', /a device with a number/, () =>
    tarArchive({ name: 'd', type: '3', major: 70_000, minor: 1 }),
  ),
  invalid('an entry of an unknown kind', /an entry of an unknown kind/, () =>
    tarArchive({ name: 'v', type: 'V' }),
  ),
  invalid('a link to nothing', /a link to nothing/, () => tarArchive({ name: 'l', type: '2' })),
  invalid('a header with a wrong checksum', /not a tar header/, () => {
    const archive = tarArchive({ name: 'a' });
    archive[0]! ^= 1;
    return archive;
  }),
  invalid('a negative size', /a negative size/, () =>
    Buffer.concat([tarHeader({ name: 'a', size: -1 }), TAR_END]),
  ),
  invalid('bytes that are no archive', /not a tar header/, () => Buffer.alloc(4096, 'x')),
  invalid('a header behind a block of zeros', /behind a block of zeros/, () =>
    Buffer.concat([Buffer.alloc(512), tarArchive({ name: 'a' })]),
  ),
  invalid('an owner that is no id', /an owner that is no id/, () =>
    tarArchive({ name: 'a', uid: 2 ** 40 }),
  ),
  invalid('an extended header that is no list of records', /a malformed extended header/, () =>
    tarArchive({ name: 'x', type: 'x', data: '999 path=a\n' }, { name: 'a' }),
  ),
  invalid('an extended header of 2 MiB', /an extended header that is too long/, () =>
    tarArchive({ name: 'a', pax: { comment: 'x'.repeat(2 * MIB) } }),
  ),
  invalid('a name with a NUL in an extended header', /a malformed extended header/, () =>
    tarArchive({ name: 'a', pax: { path: 'a\0b' } }),
  ),
  invalid('a sparse file whose parts overlap', /overlap, or leave it/, () =>
    tarArchive({
      name: 's',
      data: 'abcdef',
      pax: { 'GNU.sparse.realsize': '10', 'GNU.sparse.map': '0,3,2,3' },
    }),
  ),
  invalid('a sparse file with more parts than data', /are not its data/, () =>
    tarArchive({
      name: 's',
      data: 'abc',
      pax: { 'GNU.sparse.realsize': '10', 'GNU.sparse.map': '0,3,5,3' },
    }),
  ),
  invalid('a stream that ends within a file', /ends within a file/, () =>
    tarArchive({ name: 'a', data: 'x'.repeat(2000) }).subarray(0, 1500),
  ),
  invalid('a stream that ends within a header', /ends within a header/, () =>
    tarArchive({ name: 'a' }).subarray(0, 300),
  ),
  invalid('compressed data that end too early', /end too early/, () => {
    const whole = gzipSync(tarArchive({ name: 'a', data: 'x'.repeat(2000) }));
    return whole.subarray(0, whole.length - 9);
  }),
  invalid('compressed data that are damaged', /are damaged/, () => {
    const whole = gzipSync(tarArchive({ name: 'a', data: Buffer.from(HOSTILE.length.toString()) }));
    whole[whole.length - 6]! ^= 1; // the checksum
    return whole;
  }),
  invalid('other bytes behind the compressed data', /other bytes behind/, () =>
    Buffer.concat([gzipSync(tarArchive({ name: 'a' })), Buffer.from('rubbish')]),
  ),
  invalid('zstd data that are damaged', /zstd data are damaged/, () =>
    Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd), Buffer.alloc(64, 0xff)]),
  ),
  invalid('a compression that is not supported', /compressed with xz/, () =>
    Buffer.from('fd377a585a0000', 'hex'),
  ),
  large('a path of 100,000 components', /too deep|too long/, () =>
    tarArchive({ name: 'a', pax: { path: 'a/'.repeat(100_000) } }),
  ),
  large('a name of 300 bytes', /more than 255 bytes/, () =>
    tarArchive({ name: 'a', pax: { path: 'n'.repeat(300) } }),
  ),
  large('a sparse file with a million parts', /too many parts/, () =>
    tarArchive({
      name: 's',
      data: '1000000\n'.padEnd(512, '\0'),
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.realsize': '10000000',
      },
    }),
  ),
];

describe('Hostile layers', () => {
  let store: LayerStore;
  let outside: string;

  beforeEach(async () => {
    store = await LayerStore.make();
    outside = join(store.directory, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
  });
  afterEach(() => store.remove());

  for (const { title, archive, code, message } of HOSTILE) {
    it(`A layer with ${title} is refused, and nothing of it is left`, async () => {
      const before = dumpTree(outside);
      const error = await store.refusal(archive());
      expect(error.message).to.match(message);
      expect(error.code).to.equal(code);
      expect(error.stage).to.equal('image');
      expect(dumpTree(outside)).to.deep.equal(before);
      expect(store.names()).to.deep.equal({ layers: [], ingest: [] });
    });
  }

  it('A layer with another digest than its diff id is refused, and nothing of it is left', async () => {
    const diffId = `sha256:${'0'.repeat(64)}`;
    const error = await store.refusal(tarArchive({ name: 'a' }), { diffId });
    expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
    expect(error.message).to.include(diffId);
    expect(store.names()).to.deep.equal({ layers: [], ingest: [] });
  });

  it('An absolute name is one below the root, and links lead within the root', async () => {
    const { path } = await store.unpack(
      tarArchive(
        { name: '/etc/', type: '5' },
        { name: 'link', type: '2', link: '/etc' },
        { name: 'up', type: '2', link: '../../../etc' },
        { name: '/link/one', data: '1' },
        { name: 'up/two', data: '2' },
        { name: '/hard', type: '1', link: '/link/one' },
      ),
    );
    const read = (name: string) => readFileSync(join(path, 'root', name), 'latin1');
    expect([read('etc/one'), read('etc/two'), read('hard')]).to.deep.equal(['1', '2', '1']);
  });

  it('Attributes of overlayfs, of security modules and of trusted programs in an archive are not taken over', async () => {
    const pax = {
      'SCHILY.xattr.user.overlay.opaque': 'y',
      'SCHILY.xattr.user.overlay.redirect': '/x',
      'SCHILY.xattr.trusted.overlay.opaque': 'y',
      'SCHILY.xattr.security.selinux': 'system_u:object_r:shadow_t:s0\0',
      'SCHILY.xattr.security.ima': 'x',
      'SCHILY.xattr.user.kept': 'value',
    };
    const { path } = await store.unpack(
      tarArchive({ name: 'd/', type: '5', pax }, { name: 'd/f', pax }),
    );
    const dumped = dumpTree(join(path, 'root'));
    const kept = { 'user.kept': Buffer.from('value').toString('hex') };
    expect(dumped['d']?.attributes).to.deep.equal(kept);
    expect(dumped['d/f']?.attributes).to.deep.equal(kept);
  });

  it('A bomb is refused by its ratio, and by its size', async () => {
    const bomb = gzipBomb(300 * MIB);
    expect(bomb.length).to.be.lessThan(MIB);
    const byRatio = await store.refusal(bomb, { limits: { ratio: 100 } });
    expect(byRatio.code).to.equal('ERR_LAYER_TOO_LARGE');
    expect(byRatio.message).to.match(/expands to too many times its size/);
    const bySize = await store.refusal(bomb, { limits: { size: 100 * MIB } });
    expect(bySize.message).to.match(/the uncompressed archive is too large/);
    expect(store.names()).to.deep.equal({ layers: [], ingest: [] });
  });

  it('More entries, a longer path and a deeper one than the limits are refused', async () => {
    const archive = tarArchive({ name: 'a' }, { name: 'b/c/d' }, { name: 'e' });
    for (const [limits, message] of [
      [{ entries: 2 }, /too many entries/],
      [{ path: 4 }, /a path that is too long \("b\/c\/d"\)/],
      [{ depth: 2 }, /a path that is too deep/],
    ] as const) {
      const error = await store.refusal(archive, { limits });
      expect(error.code).to.equal('ERR_LAYER_TOO_LARGE');
      expect(error.message).to.match(message);
    }
    await store.unpack(archive, { limits: { entries: 3, path: 5, depth: 3 } });
  });

  it('An archive whose bytes are changed anywhere is unpacked or refused, and nothing outside is touched', async () => {
    const before = dumpTree(outside);
    const archive = Buffer.concat([
      tarEntry({ name: 'out', type: '2', link: OUTSIDE }),
      tarEntry({ name: 'd/', type: '5', pax: { 'SCHILY.xattr.user.a': 'b' } }),
      tarEntry({ name: 'd/f', data: 'text' }),
      tarEntry({ name: 'out/secret', type: '1', link: 'd/f' }),
      TAR_END,
    ]);
    for (let i = 0; i < 60; ++i) {
      const changed = Buffer.from(archive);
      for (let n = 0; n < 3; ++n) {
        const at = (i * 7919 + n * 104_729) % changed.length;
        changed[at] = (i * 31 + n * 17) % 256;
      }
      for (let at = 0; at + 512 <= changed.length; at += 512)
        if (changed.toString('latin1', at + 257, at + 262) === 'ustar')
          withChecksum(changed.subarray(at, at + 512));
      await store.unpack(changed).catch((error: unknown) => {
        expect(error).to.have.property('stage', 'image');
      });
    }
    expect(dumpTree(outside)).to.deep.equal(before);
  }).timeout(30_000);
});
