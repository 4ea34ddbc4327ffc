import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { hostImage } from '../../lib/image/host.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { exists } from '../support/outside.js';

/** Every path below a directory, relative to it. */
async function treeOf(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort();
}

describe('images', () => {
  let data: string;

  setUpFreshDirectory((path) => (data = join(path, 'data')));

  describe("the host image of this machine's own files", () => {
    it('The host image is one overlay in two views', async () => {
      const { root, binds, directory } = await hostImage(data);
      expect(root).to.deep.equal({
        kind: 'overlay',
        lowers: [directory, '/usr'],
        views: [
          { from: '.root', to: '/' },
          { from: '.', to: '/usr' },
        ],
        readOnly: false,
        sealed: join(directory, '.root/usr'),
      });
      expect(binds.every(({ source }) => source.startsWith('/'))).to.equal(true);
      // Whatever else lay here would appear in the container's /usr.
      expect(await readdir(directory)).to.deep.equal(['.root']);
    });

    it('The host image has the directories of a root, with their modes', async () => {
      const root = join((await hostImage(data)).directory, '.root');
      const modes: Record<string, number> = {
        '..': 0o755,
        '.': 0o755,
        tmp: 0o1777,
        'var/tmp': 0o1777,
        root: 0o700,
        proc: 0o555,
        sys: 0o555,
        dev: 0o755,
        etc: 0o755,
        run: 0o755,
      };
      for (const [path, mode] of Object.entries(modes)) {
        expect((await stat(join(root, path))).mode & 0o7777, path).to.equal(mode);
      }
      expect(await readdir(join(root, 'usr'))).to.deep.equal([]);
      expect(await readdir(join(root, 'home'))).to.deep.equal([]);
      expect(await readdir(join(root, 'root'))).to.deep.equal([]);
      expect(await readFile(join(root, 'etc/machine-id'), 'utf8')).to.equal('');
    });

    it('The host image has the same links into /usr as the host', async () => {
      const root = join((await hostImage(data)).directory, '.root');
      for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
        const link = await readlink(join('/', name)).catch(() => undefined);
        if (link !== undefined) expect(await readlink(join(root, name))).to.equal(link);
      }
    });

    it('The host image holds nothing of the host that only some may read, and no key', async () => {
      const root = join((await hostImage(data)).directory, '.root');
      for (const name of ['shadow', 'gshadow', 'sudoers', 'ssh', 'ssl/private', 'hosts.equiv']) {
        expect(await exists(join(root, 'etc', name)), name).to.equal(false);
      }
      for (const path of await treeOf(join(root, 'etc'))) {
        const file = join(root, 'etc', path);
        const stats = await lstat(file);
        expect(stats.mode & 0o6000, path).to.equal(0);
        if (stats.isFile()) {
          expect(stats.mode & 0o004, path).to.equal(0o004);
          expect(await readFile(file, 'latin1'), path).not.to.include('PRIVATE KEY-----');
        }
      }
    });

    it('The host image is made once, and asked for at no cost', async () => {
      const [first, second] = await Promise.all([hostImage(data), hostImage(data)]);
      expect(first).to.equal(second);
      expect(await hostImage(data)).to.equal(first);
      const names = await readdir(join(data, 'images/host'));
      expect(names.sort()).to.deep.equal([first.fingerprint, 'latest.json'].sort());
    });
  });
});
