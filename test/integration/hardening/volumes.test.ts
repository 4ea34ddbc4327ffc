/** C15: volumes whose source cannot be idmapped. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { needsRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

const mapped = needsRoot('idmapped mounts');

mapped.describe('volumes', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  it('C15: kernel file systems and devices can be volumes, and show the owners that there are', async () => {
    const volumes = [
      '/proc:/host/proc:ro',
      '/sys/kernel:/host/kernel:ro',
      '/dev:/host/dev',
      '/dev/null:/n',
      '/proc/version:/version',
    ];
    const script =
      'stat -c "%u %n" /host/proc/version /host/kernel /host/dev/null; cat /version; ' +
      'cat /host/proc/1/environ 2>&1; (echo x >/host/kernel/profiling) 2>&1; wc -c </n; true';
    const [proc, kernel, dev, version, environ, write, empty] = (
      await shop.sh(script, { volumes })
    ).split('\n');
    expect([proc, kernel, dev]).to.deep.equal([
      '65534 /host/proc/version',
      '65534 /host/kernel',
      '65534 /host/dev/null',
    ]);
    expect(version).to.match(/^Linux version/);
    // The rights of everybody: neither a secret of the host's root, nor a change.
    expect(environ).to.include('Permission denied');
    expect(write).to.match(/Read-only|Permission denied/);
    expect(empty).to.equal('0');
  });

  it('C15: so can an overlay, and a directory with a mount below it that cannot be idmapped', async () => {
    for (const name of ['lower', 'upper', 'work', 'merged', 'mixed', 'mixed/proc'])
      mkdirSync(shop.path(name));
    writeFileSync(shop.path('lower/file'), 'below');
    writeFileSync(shop.path('mixed/file'), 'beside');
    const layers = `lowerdir=${shop.path('lower')},upperdir=${shop.path('upper')},workdir=${shop.path('work')}`;
    execFileSync('mount', ['-t', 'overlay', 'none', '-o', layers, shop.path('merged')]);
    execFileSync('mount', ['-t', 'proc', 'none', shop.path('mixed/proc')]);
    try {
      const volumes = [`${shop.path('merged')}:/merged`, `${shop.path('mixed')}:/mixed`];
      const script =
        'stat -c %u /merged/file /mixed/file /mixed/proc/version; cat /merged/file /mixed/file; ' +
        'touch /merged/new 2>&1; touch /mixed/new && stat -c %u /mixed/new';
      expect((await shop.sh(script, { volumes })).split('\n')).to.deep.equal([
        '65534',
        '0',
        '65534',
        'belowbesidetouch: /merged/new: Permission denied',
        '0',
      ]);
    } finally {
      execFileSync('umount', [shop.path('merged'), shop.path('mixed/proc')]);
    }
  });

  it('C15: explain says which volumes those are', async () => {
    const volumes = ['/sys/kernel:/kernel:ro', `${shop.path('busybox')}:/mapped:ro`];
    const text = await shop.engine.explain(shop.busybox, ['true'], { volumes });
    const notes = text.slice(text.indexOf('\nnotes\n'));
    expect(notes).to.match(
      /\/kernel: the file system of \/sys\/kernel cannot be idmapped \(EINVAL\)/,
    );
    expect(notes).not.to.include('/mapped');
  });
});
