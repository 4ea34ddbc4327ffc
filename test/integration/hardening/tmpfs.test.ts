/** C2 and C18: what a tmpfs tells about the host, and whose it is. */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { needsRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

describe('tmpfs', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  // A rootless container's is mounted in the user's own user namespace, whose root is that user.
  const root = needsRoot('/proc/mounts names the ids of all users that mount a tmpfs');

  root.it('C2: mounts name their sources as Docker has them, and no id of the host', async () => {
    const text = await shop.sh('cat /proc/self/mounts', {
      tmpfs: ['/t', '/owned:uid=7,gid=8,mode=0750'],
    });
    const lines = text.split('\n');
    const at = (target: string) => lines.find((line) => line.split(' ')[1] === target) ?? '';
    expect(at('/t')).to.match(/^tmpfs \/t tmpfs rw,nosuid,nodev,noexec,relatime(?:,inode64)? 0 0$/);
    for (const [target, source] of [
      ['/proc', 'proc'],
      ['/dev', 'tmpfs'],
      ['/dev/pts', 'devpts'],
      ['/dev/shm', 'shm'],
      ['/dev/mqueue', 'mqueue'],
      ['/sys', 'sysfs'],
      ['/etc/hosts', 'tmpfs'],
    ] as const)
      expect(at(target).split(' ')[0], at(target)).to.equal(source);
    expect(lines.filter((line) => line.startsWith('none '))).to.deep.equal([]);
    // The kernel names a devpts' group as the host knows it; /proc/self/uid_map tells the same.
    const naming = lines.filter((line) => !line.includes(' devpts ')).join('\n');
    expect(naming).not.to.match(/\b[ug]id=/);
    expect(text).not.to.include(shop.directory);
  });

  it('C18: a tmpfs over a directory has that directory’s mode and owner', async () => {
    const image = shop.copyOfBusybox('with-directories');
    const script = 'for d in "$@"; do stat -c "%a %u:%g" $d; done';
    const stat = async (directories: readonly string[], tmpfs: readonly string[]) => {
      const result = await shop.engine.run(image, ['sh', '-c', script, 'sh', ...directories], {
        tmpfs,
      });
      expect(result.exitCode, result.stderr).to.equal(0);
      return result.stdout.trimEnd().split('\n');
    };
    const places = ['/root', '/run', '/tmp'];
    const covered = await stat(places, places);
    expect(covered).to.deep.equal(await stat(places, []));
    expect(covered[0]).to.equal('700 0:0');
    // What was asked for is as asked, and a new directory everybody's.
    expect(
      await stat(['/root', '/run', '/new'], ['/root:mode=0711', '/run:uid=0', '/new']),
    ).to.deep.equal(['711 0:0', '755 0:0', '1777 0:0']);
  });

  root.it(
    'C18: the owner of a tmpfs may be another than root, and it may be read-only',
    async () => {
      const script =
        'stat -c "%a %u:%g" /home/a /home/b /home/c; touch /home/b/x 2>&1; grep " /home/b " /proc/self/mounts';
      const image = shop.copyOfBusybox('with-homes');
      execFileSync('mkdir', ['-p', `${image.path}/home/a`, `${image.path}/home/b`]);
      execFileSync('chmod', ['2750', `${image.path}/home/a`]);
      execFileSync('chown', ['1000:1001', `${image.path}/home/a`, `${image.path}/home/b`]);
      const text = await shop.sh(
        script,
        { tmpfs: ['/home/a', '/home/b:ro', '/home/c:uid=12,gid=13'] },
        image,
      );
      expect(text).to.match(
        /^(?:2750|750) 1000:1001\n755 1000:1001\n1777 12:13\n.*Read-only file system/,
      );
      expect(text).to.match(/tmpfs \/home\/b tmpfs ro,/);
    },
  );
});
