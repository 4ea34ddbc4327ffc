/** Layers of a user without privileges: unpacked in a user namespace with the ids of the user's containers. */
import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { needsRoot } from '../support/needs.js';
import { tarArchive, type TarEntry } from '../support/tar-archive.js';
import { dumpTree } from '../support/tree-dump.js';
import { SUBGID, SUBUID, UID, UnprivilegedUser } from '../support/unprivileged-user.js';
import type { RootlessUnpack } from './fixtures/rootless-unpack.js';

const ENTRIES: readonly TarEntry[] = [
  { name: 'root', data: 'r' },
  { name: 'other', data: 'o', uid: 33, gid: 34, mode: 0o4755 },
  { name: 'dir/', type: '5', uid: 33, gid: 33, mode: 0o700 },
  { name: 'dir/in', data: 'i', uid: 33, gid: 33, mode: 0o600 },
  { name: 'null', type: '3', major: 1, minor: 3 },
  { name: '.wh.gone' },
  { name: 'o/.wh..wh..opq' },
];

const root = needsRoot('it makes users of its own');

root.describe('Layers of an unprivileged user', function () {
  this.timeout(60_000);

  for (const ranges of [true, false]) {
    describe(ranges ? 'with subordinate ids' : 'with one id', () => {
      let user: UnprivilegedUser;
      before(async () => {
        user = await UnprivilegedUser.make(ranges);
      });
      after(() => user.cleanUp());

      async function unpack(...entries: readonly TarEntry[]): Promise<RootlessUnpack> {
        const archive = join(user.directory, 'layer.tar');
        await writeFile(archive, tarArchive(...entries));
        return (await user.fixture('rootless-unpack', {}, [archive])) as RootlessUnpack;
      }

      it('A layer has the ids that its containers see, and can be removed again', async () => {
        const { layer, error } = await unpack(...ENTRIES);
        expect(error).to.equal(undefined);
        const path = layer?.path ?? '';
        const dumped = dumpTree(join(path, 'root'));
        const owner = (id: number, range: number) => (ranges && id > 0 ? range + id - 1 : UID);
        expect(dumped['root']).to.include({ uid: UID, gid: UID });
        expect(dumped['other']).to.include({
          uid: owner(33, SUBUID),
          gid: owner(34, SUBGID),
          mode: '0o104755',
        });
        expect(dumped['dir/in']).to.include({ uid: owner(33, SUBUID), mode: '0o100600' });
        expect(dumped['gone']?.device).to.deep.equal([0, 0]);
        const opaque = { 'user.overlay.opaque': Buffer.from('y').toString('hex') };
        expect(dumped['o']?.attributes).to.deep.equal(opaque);
        // As Docker does: no user namespace may make devices.
        expect(dumped['null']).to.equal(undefined);
        const { left } = (await user.fixture('rootless-unpack', {}, ['', path])) as RootlessUnpack;
        expect(left).to.equal(false);
        expect(existsSync(path)).to.equal(false);
      });

      it('What is refused leaves nothing, whoever it belongs to', async () => {
        const { error } = await unpack(...ENTRIES, { name: '../x' });
        expect(error?.code).to.equal('ERR_INVALID_LAYER');
        for (const name of ['ingest', 'layers'])
          expect(await readdir(join(user.home, 'images', name))).to.deep.equal([]);
      });

      if (ranges)
        it('An owner beyond the subordinate ids is refused with the remedy', async () => {
          const { error } = await unpack({ name: 'far', uid: 100_000 });
          expect(error?.code).to.equal('ERR_NO_PRIVILEGES');
          expect(error?.message).to.match(/"far".*subuid/);
        });
    });
  }
});
