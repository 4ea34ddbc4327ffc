/** Forks of a rootless user's containers. */
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { needsRoot } from '../support/needs.js';
import { skip } from '../support/skip.js';
import { UnprivilegedUser } from '../support/unprivileged-user.js';

needsRoot('a user of its own').describe('Forks of rootless containers', function () {
  this.timeout(60_000);

  before(function () {
    const forbidden = userNamespaceSwitch();
    if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
  });

  for (const ranges of [true, false]) {
    it(`A user ${ranges ? 'with subordinate ids' : 'with one id'} forks containers, and nothing is left of them`, async () => {
      const user = await UnprivilegedUser.make(ranges);
      try {
        const give = ranges ? 'chown 33:44 /d/f;' : '';
        const changes = ['added /d', 'added /d/f', 'changed /etc', 'deleted /etc/group'];
        expect(await user.fixture('rootless-forks', {}, [user.busybox(), give])).to.deep.equal({
          codes: [0, 0, 0, 0],
          changes: [changes, changes.map((line) => line.replace('/d/f', '/d/g'))],
          file: 'x\n',
          owner: ranges ? 33 : 0,
          refused: 'ERR_UNSUPPORTED_OPTION',
          left: [],
        });
      } finally {
        await user.cleanUp();
      }
    });
  }
});
