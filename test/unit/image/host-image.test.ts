import {
  access,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { CaissonError } from '../../../lib/base/errors.js';
import { hostImage, pruneHostImages } from '../../../lib/image/host.js';
import { buildSkeleton } from '../../../lib/image/host-skeleton.js';
import { resolveImage } from '../../../lib/image/snapshots/resolve.js';
import { planRootfs, rootfs } from '../../../lib/image/rootfs.js';
import { setUpFreshDirectory } from '../../support/fresh-directory.js';
import { exists } from '../../support/outside.js';
import { rejectionOf } from '../../support/rejection.js';

async function put(path: string, content = '', mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, mode);
}

describe('images', () => {
  let work: string;
  let data: string;

  setUpFreshDirectory((path) => {
    work = path;
    data = join(work, 'data');
  });

  describe('the host image of a made-up host', () => {
    let host: string;
    let root: string;
    const inEtc = (name: string): string => join(host, 'etc', name);
    const copied = (name: string): string => join(root, 'etc', name);

    beforeEach(async () => {
      host = join(work, 'host');
      const target = join(work, 'skeleton');
      root = join(target, '.root');
      await mkdir(target);
      await mkdir(join(host, 'usr/bin'), { recursive: true });
      await mkdir(join(host, 'lib64'));
      await symlink('usr/bin', join(host, 'bin'));
      await put(inEtc('passwd'), 'root:x:0:0::/root:/bin/sh\nold:$1$hash$abc:7:7::/:/bin/sh\n');
    });

    const build = async (): Promise<void> => {
      await buildSkeleton(dirname(root), host);
    };

    it('The host image copies by its list only', async () => {
      await put(inEtc('shells'), '/bin/sh\n');
      await put(inEtc('pip.conf'), 'index-url = https://user:password@host/');
      await put(inEtc('python3.12/sitecustomize.py'), 'pass\n');
      await put(inEtc('shadow'), 'root:hash', 0o640);
      await build();
      expect(await readFile(copied('shells'), 'utf8')).to.equal('/bin/sh\n');
      expect(await readFile(copied('python3.12/sitecustomize.py'), 'utf8')).to.equal('pass\n');
      expect(await exists(copied('pip.conf'))).to.equal(false);
      expect(await exists(copied('shadow'))).to.equal(false);
    });

    it('The host image takes password hashes out of very old account files', async () => {
      await build();
      expect(await readFile(copied('passwd'), 'utf8')).to.equal(
        'root:x:0:0::/root:/bin/sh\nold:x:7:7::/:/bin/sh\n',
      );
    });

    it('The host image leaves out keys and closed files even below a directory on the list', async () => {
      await put(inEtc('ssl/certs/good.pem'), '-----BEGIN CERTIFICATE-----\n');
      await put(inEtc('ssl/certs/bad.pem'), '-----BEGIN RSA PRIVATE KEY-----\n');
      await put(inEtc('ssl/certs/closed.pem'), 'x', 0o640);
      await put(inEtc('ssl/certs/server.key'), 'x');
      await put(inEtc('ssl/private/key.pem'), 'x');
      await put(inEtc('security/opasswd'), 'x');
      await put(inEtc('profile.d/tool'), 'x', 0o4755);
      await put(inEtc('xml/closed/x'), 'x');
      await chmod(inEtc('xml/closed'), 0o750);
      await build();
      expect(await readdir(copied('ssl'))).to.deep.equal(['certs']);
      expect(await readdir(copied('ssl/certs'))).to.deep.equal(['good.pem']);
      expect(await readdir(copied('security'))).to.deep.equal([]);
      expect(await readdir(copied('xml'))).to.deep.equal([]);
      expect((await stat(copied('profile.d/tool'))).mode & 0o7777).to.equal(0o755);
    });

    it('The host image keeps links to what the container has, and copies what lies elsewhere', async () => {
      await put(join(host, 'var/lib/ca-certificates/pem/a.pem'), 'A');
      await symlink('a.pem', join(host, 'var/lib/ca-certificates/pem/0.0'));
      await mkdir(inEtc('ssl'));
      await symlink('../../var/lib/ca-certificates/pem', inEtc('ssl/certs'));
      await symlink('../usr/lib/os-release', inEtc('os-release'));
      await put(inEtc('private-place/services'), 'S');
      await symlink('private-place/services', inEtc('services'));
      await symlink('/home/somebody/magic', inEtc('magic'));
      await symlink('nowhere', inEtc('timezone'));
      await build();
      expect((await lstat(copied('ssl/certs'))).isDirectory()).to.equal(true);
      expect(await readFile(copied('ssl/certs/0.0'), 'utf8')).to.equal('A');
      expect(await readlink(copied('os-release'))).to.equal('../usr/lib/os-release');
      expect((await lstat(copied('services'))).isFile()).to.equal(true);
      expect(await exists(copied('magic'))).to.equal(false);
      expect(await readlink(copied('timezone'))).to.equal('nowhere');
    });

    it('The host image binds what a host without merged /usr has beside it', async () => {
      const { binds, root: plan } = await hostImage(data, host);
      expect(binds).to.deep.equal([{ source: join(host, 'lib64'), to: '/lib64' }]);
      expect(plan.kind === 'overlay' && plan.lowers[1]).to.equal(join(host, 'usr'));
      const { directory } = await hostImage(data, host);
      expect((await lstat(join(directory, '.root/lib64'))).isDirectory()).to.equal(true);
      expect(await readlink(join(directory, '.root/bin'))).to.equal('usr/bin');
    });

    it('The host image is made anew after the host has changed, and the former one stays', async () => {
      const before = await hostImage(data, host);
      await put(inEtc('group.new'), 'root:x:0:\n');
      await rename(inEtc('group.new'), inEtc('group'));
      // For some seconds it is not looked at again.
      expect(await hostImage(data, host)).to.equal(before);
      const real = performance.now.bind(performance);
      performance.now = () => real() + 3100;
      const after = await hostImage(data, host).finally(() => (performance.now = real));
      expect(after.fingerprint).not.to.equal(before.fingerprint);
      expect(await exists(join(after.directory, '.root/etc/group'))).to.equal(true);
      await access(before.directory);
      expect(await pruneHostImages(data, new Set(), host)).to.deep.equal([]);
    });

    it('The host image is made by several engines at once without harm', async () => {
      const places = Array.from({ length: 4 }, (_, n) => `${data}/${'./'.repeat(n)}`);
      const made = await Promise.all(places.map(async (place) => hostImage(place, host)));
      expect(new Set(made.map(({ fingerprint }) => fingerprint)).size).to.equal(1);
      const names = await readdir(join(data, 'images/host'));
      expect(names.sort()).to.deep.equal([made[0]!.fingerprint, 'latest.json'].sort());
    });

    it('The host image is made again when it was removed, or its note was spoiled', async () => {
      const { directory } = await hostImage(data, host);
      await rm(directory, { recursive: true });
      await hostImage(`${data}/.`, host);
      await access(directory);
      await writeFile(join(data, 'images/host/latest.json'), '{"version":');
      expect((await hostImage(`${data}/./.`, host)).directory).to.equal(directory);
    });

    it('An error says what is in the way', async () => {
      await writeFile(data, '');
      const error = await rejectionOf(hostImage(data, host));
      expect(error).to.include({ stage: 'image', errno: 'ENOTDIR' });
    });
  });

  describe('directories as roots', () => {
    it('A path is resolved at once', () => {
      expect(rootfs('some/./dir')).to.deep.equal({
        kind: 'rootfs',
        path: join(process.cwd(), 'some/dir'),
        writable: 'overlay',
      });
    });

    it('A directory is planned as an overlay, or as the directory itself', async () => {
      const path = join(work, 'debian');
      await mkdir(join(path, 'bin'), { recursive: true });
      expect(await planRootfs(rootfs(path))).to.deep.equal({
        kind: 'overlay',
        lowers: [path],
        views: [{ from: '.', to: '/' }],
        readOnly: false,
      });
      expect(await planRootfs(rootfs(path, { writable: 'direct' }))).to.deep.equal({
        kind: 'direct',
        path,
        readOnly: false,
      });
      // Also without writing: what is missing of the mount points is made above it.
      expect(await planRootfs(rootfs(path, { writable: 'none' }))).to.deep.equal({
        kind: 'overlay',
        lowers: [path],
        views: [{ from: '.', to: '/' }],
        readOnly: true,
      });
    });

    it('A root that is missing, a file, empty, or the host itself is refused', async () => {
      await mkdir(join(work, 'empty'));
      await writeFile(join(work, 'file'), '');
      const words: Record<string, string> = {
        [join(work, 'nowhere')]: 'does not exist',
        [join(work, 'file')]: 'not a directory',
        [join(work, 'empty')]: 'is empty',
        '/': 'the host itself',
      };
      for (const [path, text] of Object.entries(words)) {
        const error = await rejectionOf(resolveImage(rootfs(path), data));
        expect(error.code).to.equal('ERR_INVALID_ROOTFS');
        expect(error.message).to.include(text).and.include(path);
        expect(error.exitCode).to.equal(125);
      }
      for (const path of ['', 'a\0b']) {
        expect(() => rootfs(path))
          .to.throw(CaissonError)
          .with.property('code', 'ERR_INVALID_ROOTFS');
      }
      expect(() => rootfs('/x', { writable: 'yes' as 'none' })).to.throw(CaissonError, 'yes');
    });
  });

  describe('names of images', () => {
    it('The host image and roots are known, with defaults', async () => {
      const host = await resolveImage('host', data);
      expect(host).to.deep.include({ name: 'host' });
      expect(host.defaults).to.deep.include({ entrypoint: [], user: '', workdir: '/' });
      expect(host.defaults.env).to.have.length(1);
      expect(host.defaults.env[0]).to.match(/^PATH=\/usr\/local\/sbin:/);
      await mkdir(join(work, 'r/bin'), { recursive: true });
      const other = await resolveImage(rootfs(join(work, 'r')), data);
      expect(other.name).to.equal(join(work, 'r'));
      expect(other.defaults.cmd).to.deep.equal([]);
    });

    it('Other names are refused', async () => {
      const missing = await rejectionOf(resolveImage('debian', data));
      expect(missing.code).to.equal('ERR_NO_SUCH_IMAGE');
      expect(missing.hint).to.include('--rootfs');
      for (const name of ['Host', '', '../x'])
        expect((await rejectionOf(resolveImage(name, data))).code).to.equal(
          'ERR_INVALID_REFERENCE',
        );
    });
  });
});
