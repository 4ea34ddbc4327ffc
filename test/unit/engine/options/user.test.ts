import { expect } from 'chai';
import {
  type Accounts,
  type ResolvedUser,
  resolveUser,
} from '../../../../lib/engine/options/user.js';
import { expectRejection } from '../../support/expect-error.js';

const PASSWD = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
broken:x:
evil:x:0x0:0:::
evil2:x: 0:0:::
# comment:x:7:7::/c:/c
node:x:1000:1000::/home/node:/bin/sh
nohome:x:1001:1001:::
relative:x:1002:1002::home:/bin/sh
node:x:0:0::/root:/bin/sh
`;
const GROUP = `root:x:0:
bin:x:2:root,daemon
node:x:1000:
video:x:44:node,root
audio:x:29: node , other
broken:x:y:node
empty:x:50:
`;

const NOTHING: Accounts = { passwd: undefined, group: undefined };

async function resolve(
  user: string | undefined,
  groupAdd?: readonly (string | number)[],
  accounts: Accounts = { passwd: PASSWD, group: GROUP },
): Promise<ResolvedUser> {
  return resolveUser(user, groupAdd, accounts);
}

describe('resolveUser', () => {
  it("C14: without a user it is the image's root entry that counts, as for the user 0", async () => {
    expect(await resolve(undefined)).to.deep.equal({
      uid: 0,
      gid: 0,
      additionalGids: [0, 2, 44],
      home: '/root',
    });
    const accounts = {
      passwd: 'root:x:0:42:root:/home/r:/bin/sh\n',
      group: 'shadow:x:42:\nwheel:x:10:root\n',
    };
    for (const user of [undefined, '', '0', 'root']) {
      expect(await resolve(user, [44], accounts), String(user)).to.deep.equal({
        uid: 0,
        gid: 42,
        additionalGids: [42, 10, 44],
        home: '/home/r',
      });
    }
  });

  it('The user is root without any files', async () => {
    expect(await resolve(undefined, [44, '50'], NOTHING)).to.deep.equal({
      uid: 0,
      gid: 0,
      additionalGids: [0, 44, 50],
      home: '/',
    });
  });

  it('A name is found with its groups and its home; the first entry counts', async () => {
    expect(await resolve('node')).to.deep.equal({
      uid: 1000,
      gid: 1000,
      additionalGids: [1000, 44, 29],
      home: '/home/node',
    });
    expect(await resolve('daemon')).to.deep.equal({
      uid: 1,
      gid: 1,
      additionalGids: [1, 2],
      home: '/usr/sbin',
    });
  });

  it('An id that has an entry is found, and one that has none is taken', async () => {
    expect(await resolve('1000')).to.deep.equal(await resolve('node'));
    expect(await resolve('4242')).to.deep.equal({
      uid: 4242,
      gid: 0,
      additionalGids: [0],
      home: '/',
    });
    expect(await resolve('4242', undefined, NOTHING)).to.deep.include({
      uid: 4242,
      gid: 0,
    });
  });

  it('An explicit group replaces the implied ones', async () => {
    expect(await resolve('node:video')).to.deep.include({ gid: 44, additionalGids: [44] });
    expect(await resolve('node:50')).to.deep.include({ gid: 50, additionalGids: [50] });
    expect(await resolve('5:6')).to.deep.include({ uid: 5, gid: 6 });
    expect(await resolve('0:0')).to.deep.equal({
      uid: 0,
      gid: 0,
      additionalGids: [0],
      home: '/root',
    });
  });

  it('Groups are added by name and number, once', async () => {
    expect(await resolve('node', ['video', 7, '7', 'empty'])).to.deep.include({
      additionalGids: [1000, 44, 29, 7, 50],
    });
  });

  it('A user has a home even without one', async () => {
    expect(await resolve('nohome')).to.deep.include({ home: '/' });
    expect(await resolve('relative')).to.deep.include({ home: '/' });
  });

  it('Unknown names, and entries that are not whole, are refused', async () => {
    await expectRejection(resolve('nobody-here'), 'ERR_NO_SUCH_USER', /user .*"nobody-here"/);
    await expectRejection(resolve('node:nope'), 'ERR_NO_SUCH_USER', /group .*"nope"/);
    await expectRejection(resolve('node', ['nope']), 'ERR_NO_SUCH_USER', /groupAdd: .*"nope"/);
    for (const name of ['broken', 'evil', 'evil2']) {
      await expectRejection(resolve(name), 'ERR_NO_SUCH_USER', new RegExp(`"${name}"`));
    }
    await expectRejection(resolve('node', undefined, NOTHING), 'ERR_NO_SUCH_USER', /"node"/);
  });

  it('A text that is almost a number is never taken for one (CVE-2026-30892)', async () => {
    for (const user of [
      '0 ',
      ' 0',
      '00',
      '+0',
      '-0',
      '0.0',
      '.0',
      '0:',
      '4294967295',
      '0x',
      '1e3',
      '0:0x0',
      'a\tb',
      '0\n',
    ])
      await expectRejection(resolve(user), 'ERR_INVALID_OPTION', /^user: /);
    for (const user of ['1000foo', '0:0y', '0 0', '\u{ff10}', '\u{660}'])
      await expectRejection(resolve(user), 'ERR_NO_SUCH_USER', /no such/);
  });

  it('C24: a name may begin with a digit, have a space in it, and be of any script', async () => {
    const accounts = {
      passwd: '1abc:x:7:8::/h:/bin/sh\nбоб:x:9:9::/b:/bin/sh\n',
      group: '2nd:x:10:1abc\ndomain users:x:11:\n',
    };
    expect(await resolve('1abc', undefined, accounts)).to.deep.equal({
      uid: 7,
      gid: 8,
      additionalGids: [8, 10],
      home: '/h',
    });
    expect(await resolve('боб:2nd', ['domain users'], accounts)).to.deep.include({
      uid: 9,
      gid: 10,
      additionalGids: [10, 11],
    });
  });
});
