/** Volumes of a user without privileges, whose containers have subordinate ids. */
import { expect } from 'chai';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { skip } from '../support/skip.js';
import { SUBUID, UID, UnprivilegedUser } from '../support/unprivileged-user.js';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';

const root = needsRoot('an unprivileged user is made for the test');

root.describe('volumes of a rootless user', function () {
  this.timeout(120_000);
  let user: UnprivilegedUser;

  before(async function () {
    const forbidden = userNamespaceSwitch();
    if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
    user = await UnprivilegedUser.make(true);
  });
  afterEach(async function () {
    await user.ok(['volume', 'prune', '-af']);
    const failed = this.currentTest?.state === 'failed';
    if (!failed) expect(readdirSync(volumes()), 'volumes').to.deep.equal([]);
    await user.clear(!failed);
  });
  after(() => (user as UnprivilegedUser | undefined)?.cleanUp());

  const volumes = (...names: string[]) => join(user.home, '.local/share/caisson/volumes', ...names);
  const sh = (script: string, ...flags: string[]) =>
    user.ok(['run', '--rm', ...flags, '--rootfs', user.busybox(), 'sh', '-c', script]);

  it('Containers share a volume, whose files have the ids of the user', async () => {
    await sh('echo one >/data/f; echo two >/data/g; chown 33:33 /data/g', '-v', 'data:/data');
    const said = await sh('cat /data/f; stat -c %u /data/f /data/g', '-v', 'data:/data:ro');
    expect(said).to.equal('one\n0\n33');
    expect(statSync(volumes('data/_data/f')).uid).to.equal(UID);
    expect(statSync(volumes('data/_data/g')).uid).to.equal(SUBUID + 32);
    // Files of subordinate ids are removed in a user namespace.
    expect(await user.ok(['volume', 'rm', 'data'])).to.equal('data');
    expect(readdirSync(volumes())).to.deep.equal([]);
  });

  it('An empty volume gets what the image has', async () => {
    const there = await sh('ls -ln /etc | grep -v host | grep -v resolv', '--read-only');
    const copied = await sh('ls -ln /etc | grep -v host | grep -v resolv', '-v', 'data:/etc');
    const names = (text: string) => text.split('\n').slice(1).map((line) => line.replace(/ {2,}/g, ' ')); // prettier-ignore
    expect(names(copied)).to.deep.equal(names(there));
    expect(existsSync(volumes('data/_data/passwd'))).to.equal(true);
  });

  it('The anonymous volumes go with a container that is removed when it has ended', async () => {
    expect(await sh('touch /anon/f; chown 33 /anon/f; ls /anon', '-v', '/anon')).to.equal('f');
    await eventually(() => expect(readdirSync(volumes())).to.deep.equal([]));
    await user.ok(['run', '--name', 'box', '-v', '/anon', '--rootfs', user.busybox(), 'true']);
    expect(readdirSync(volumes())).to.have.lengthOf(1);
    await user.ok(['rm', '-v', 'box']);
    expect(readdirSync(volumes())).to.deep.equal([]);
  });
});
