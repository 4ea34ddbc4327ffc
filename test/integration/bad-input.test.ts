/** Bad input: each mistake is a typed error that names what is wrong, and nothing is made. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { CaissonError, type ErrorCode, rootfs, type RootfsImage } from '../../lib/index.js';
import { isRoot, needsRoot } from '../support/needs.js';
import { fixture } from '../support/paths.js';
import { eventually, tracesOf } from '../support/outside.js';
import { Workshop } from '../support/workshop.js';

const execute = promisify(execFile);

/** The first id that a container does not have; a rootless one has the user beside the range. */
const UNMAPPED = isRoot ? '65536' : '65537';

describe('bad input', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
    await mkdir(shop.path('volume'));
    await writeFile(shop.path('file'), '');
  });

  after(() => shop.close());

  const failure = async (
    image: string | RootfsImage,
    argv: readonly string[],
    options: RunOptions,
  ): Promise<CaissonError> => {
    const execution = shop.engine.run(image, argv, options);
    const outcome: unknown = await execution.catch((error: unknown) => error);
    expect(outcome, JSON.stringify(outcome)).to.be.instanceOf(CaissonError);
    // A wait for the start learns the same.
    expect(await execution.started.catch((error: unknown) => error)).to.equal(outcome);
    const nothing = async () =>
      expect(await tracesOf(execution.id, shop.path('data'))).to.deep.equal([]);
    // A scope without processes is taken away by systemd, when it comes to it.
    await (isRoot ? nothing() : eventually(nothing));
    return outcome as CaissonError;
  };

  /** When anything was last made or removed where containers have their directories. */
  const lastChange = async () =>
    (await stat(shop.path('data/containers'), { bigint: true })).mtimeNs;

  /** Fails before anything is made: the error. */
  const refused = async (
    image: string | RootfsImage,
    options: RunOptions = {},
    argv: readonly string[] = ['true'],
  ): Promise<CaissonError> => {
    const before = await lastChange();
    const error = await failure(image, argv, options);
    expect(await lastChange(), 'something was made').to.equal(before);
    expect(error.exitCode).to.equal(125);
    return error;
  };

  describe('images', () => {
    it('Images that do not exist are refused', async () => {
      for (const image of ['nope', 'debian:12']) {
        const error = await refused(image, { pull: 'never' });
        expect(error.code, image).to.equal('ERR_NO_SUCH_IMAGE');
        expect(error.stage).to.equal('image');
        expect(error.path).to.equal(image);
        expect(error.message).to.include(`No such image: ${image}`);
      }
      for (const image of ['Host', 'host ', '', '/', '../host', 'host\0']) {
        const error = await refused(image);
        expect(error.code, image).to.equal('ERR_INVALID_REFERENCE');
        expect(error.stage).to.equal('image');
      }
    });

    it('Images of the wrong kind are refused', async () => {
      for (const image of [undefined, null, 42, {}, [], { kind: 'rootfs' }, { path: '/x' }]) {
        const error = await refused(image as unknown as string);
        expect(error.code, JSON.stringify(image)).to.equal('ERR_INVALID_OPTION');
        expect(error.path).to.equal('image');
      }
    });

    it('Images that are no root directories are refused', async () => {
      await mkdir(shop.path('empty'));
      await symlink('nowhere', shop.path('dangling'));
      const cases: [string, RegExp][] = [
        [shop.path('missing'), /does not exist/],
        [shop.path('file'), /is not a directory/],
        [join(shop.path('file'), 'below'), /is not a directory/],
        [shop.path('empty'), /is empty/],
        [shop.path('dangling'), /does not exist/],
        ['/', /is the host itself/],
        ['x'.repeat(5000), /ENAMETOOLONG/],
      ];
      for (const [path, why] of cases) {
        for (const writable of ['overlay', 'direct', 'none'] as const) {
          const error = await refused(rootfs(path, { writable }));
          expect(error.code, path).to.equal('ERR_INVALID_ROOTFS');
          expect(error.stage).to.equal('image');
          expect(error.message).to.match(why).and.to.include(path);
          expect(error.path?.endsWith(path)).to.equal(true);
        }
      }
      for (const path of ['', 'a\0b', 5, undefined, null]) {
        expect(() => rootfs(path as string))
          .to.throw(CaissonError)
          .with.property('code', 'ERR_INVALID_ROOTFS');
      }
    });
  });

  describe('options', () => {
    type Case = [options: RunOptions, code: ErrorCode, names: RegExp];
    const wrong = (options: unknown): RunOptions => options as RunOptions;
    const invalid = (option: keyof RunOptions, ...values: unknown[]): Case[] =>
      values.map((value) => [
        wrong({ [option]: value }),
        'ERR_INVALID_OPTION',
        new RegExp(`^${option}: `),
      ]);

    const cases: Record<string, () => Case[]> = {
      'sizes of memory': () => [
        ...invalid('memory', '1x', '1k', '4095k', '-1', -1, '', 'm', '1 m', '1mm', 'Infinity', NaN),
        ...invalid('memory', {}, null, true, '1e3', 1.5, '99999999999g'),
        [{ memory: '64m', memorySwap: '32m' }, 'ERR_CONFLICTING_OPTIONS', /^memorySwap: /],
        [{ memorySwap: '64m' }, 'ERR_CONFLICTING_OPTIONS', /^memorySwap: /],
        [
          { memory: '64m', memoryReservation: '65m' },
          'ERR_CONFLICTING_OPTIONS',
          /^memoryReservation: /,
        ],
        ...invalid('memorySwappiness', 101, -2, 'x'),
        ...invalid('shmSize', '0', '-1', 'x'),
      ],
      processors: () => [
        ...invalid('cpuShares', 1, -1, 262_145, 'x', 1.5),
        ...invalid('cpus', -1, 'x', 1e6, ''),
        ...invalid('cpuPeriod', 999, 1_000_001, -1),
        ...invalid('cpuQuota', 999, -2),
        ...invalid('cpusetCpus', '4096', '0-4096', '1-0', '-1', 'a', '0,,1', '0-'),
        ...invalid('cpusetMems', '4096', 'x'),
        [{ cpus: 1, cpuQuota: 50_000 }, 'ERR_CONFLICTING_OPTIONS', /^cpus: /],
      ],
      'other limits': () => [
        ...invalid('pidsLimit', -2, 'x', 1.5),
        ...invalid(
          'deviceCgroupRules',
          ['c 1:3'],
          ['x 1:3 r'],
          ['c 1:3 rr'],
          ['c 1:3 x'],
          ['c -1:3 r'],
        ),
        ...invalid('deviceCgroupRules', ['c 1:3 r '], [''], [5], 'c 1:3 r'),
        ...invalid('blkioWeight', 9, 1001, -1, 'x'),
        ...invalid('oomScoreAdj', -1001, 1001, 'x'),
        ...invalid('ulimits', ['nope=1'], ['nofile=2:1'], ['nofile'], ['nofile=x'], { nofile: -5 }),
        ...invalid('deviceReadBps', ['/dev/sda'], ['dev/sda:1m'], ['/dev/sda:x'], ['/dev/null:1m']),
        [
          { deviceWriteIops: ['/dev/nope:1'] },
          'ERR_NO_SUCH_SOURCE',
          /deviceWriteIops.*\/dev\/nope/,
        ],
      ],
      users: () => [
        [{ user: 'nope' }, 'ERR_NO_SUCH_USER', /nope.*\/etc\/passwd/],
        [{ user: 'root:nope' }, 'ERR_NO_SUCH_USER', /nope.*\/etc\/group/],
        [{ groupAdd: ['nope'] }, 'ERR_NO_SUCH_USER', /nope.*\/etc\/group/],
        ...invalid('user', '-1', '1:2:3', UNMAPPED, 5),
        ...invalid('groupAdd', 'audio', [-1], [{}], ...(isRoot ? [[65_536]] : [])),
      ],
      mounts: () => [
        ...invalid('volumes', [`${shop.path('volume')}:relative`], [`${shop.path('volume')}:/`]),
        ...invalid(
          'volumes',
          ['::'],
          [':/x'],
          ['/x:'],
          ['/x:/y:nope'],
          ['/x:/y:ro,rw'],
          ['a:b:c:d'],
        ),
        ...invalid('volumes', [`${shop.path('volume')}:/proc/sys`], ['./x:/y'], 'x', [5]),
        [
          { volumes: [`${shop.path('missing')}:/x`] },
          'ERR_NO_SUCH_SOURCE',
          /volumes: .*missing.*does not exist/,
        ],
        [
          { mounts: [{ type: 'bind', source: shop.path('missing'), target: '/x' }] },
          'ERR_NO_SUCH_SOURCE',
          /mounts: .*missing/,
        ],
        ...invalid('volumes', ['n:/x'], ['named'], ['named:x']),
        [{ volumesFrom: ['no-such'] }, 'ERR_NO_SUCH_CONTAINER', /No such container: no-such/],
        ...invalid('mounts', [{ type: 'nope', target: '/x' }], [{ type: 'bind' }], [null], {}),
        ...invalid('tmpfs', ['relative'], ['/x:size=x'], ['/x:nope'], { '/': '' }),
        ...[
          { volumes: ['/usr:/x', '/etc:/x'] },
          { volumes: ['/usr:/x', '/etc:/x/'] },
          { volumes: ['/usr:/x'], tmpfs: ['/y/../x'] },
          { tmpfs: ['/x', '/x'] },
        ].map((options): Case => [
          options,
          'ERR_CONFLICTING_OPTIONS',
          /"\/x" is mounted more than once/,
        ]),
        ...invalid('devices', ['/etc/passwd'], ['/dev/null:/x:q'], ['null']),
        [{ devices: ['/dev/nope'] }, 'ERR_NO_SUCH_SOURCE', /devices: .*\/dev\/nope/],
      ],
      'the environment': () => [
        ...invalid('env', ['=x'], [''], ['=']),
        ...invalid('env', { '': 'x' }, { 'a=b': 'x' }, 'A=b', { A: 5 }, [5], null),
        ...invalid('workdir', 'relative', './x', '../x', 5),
        ...invalid('entrypoint', 5, [5]),
        [{ entrypoint: [''] }, 'ERR_INVALID_OPTION', /^argv: /],
        ...invalid('stopSignal', 'NOPE', 0, 65, '', 'SIG'),
      ],
      names: () => [
        ...invalid('name', 'a', '', '-ab', '.ab', 'ä2', 'a b', 'a/b', '../x', 'a\nb', 5),
        ...invalid('hostname', '-a', 'a b', 'a/b', 'a\tb', 'x'.repeat(65), 'ä'.repeat(33), 5),
        ...invalid('domainname', 'a b', 'x'.repeat(65)),
        ...invalid('addHost', ['x'], ['x:999.1.1.1'], [':1.1.1.1'], ['a b:1.1.1.1'], 'x:1.1.1.1'),
        ...invalid('dns', ['nope'], ['1.1.1'], '1.1.1.1'),
        ...invalid('dnsSearch', ['a b'], ['']),
      ],
      security: () => [
        ...invalid('capAdd', ['NOPE'], 'ALL', [5]),
        ...invalid('capDrop', ['']),
        ...invalid('securityOpt', ['nope'], ['seccomp'], ['no-new-privileges=maybe']),
        ...invalid('securityOpt', ['apparmor'], ['apparmor='], ['label=nope']),
        [{ securityOpt: ['systempaths=x'] }, 'ERR_UNSUPPORTED_OPTION', /securityOpt.*systempaths/],
        [{ securityOpt: ['seccomp=/nope.json'] }, 'ERR_NO_SUCH_SOURCE', /\/nope\.json/],
        ...invalid('sysctls', { 'vm.swappiness': 1 }, ['nope'], { 'kernel.msgmax': '' }),
        [
          { network: 'host', sysctls: { 'net.ipv4.ip_forward': 1 } },
          'ERR_CONFLICTING_OPTIONS',
          /^sysctls: /,
        ],
        [{ userns: 'auto', privileged: true }, 'ERR_CONFLICTING_OPTIONS', /^userns: /],
        [wrong({ userns: 'keep-id' }), 'ERR_UNSUPPORTED_OPTION', /^userns: /],
        [{ network: 'nothing:x' }, 'ERR_UNSUPPORTED_OPTION', /^network: /],
        [{ network: 'nowhere' }, 'ERR_NO_SUCH_NETWORK', /network nowhere not found/],
      ],
      'streams and ends': () => [
        ...invalid('stdin', 'nope', 5),
        [{ tty: true, stdin: 'inherit' }, 'ERR_CONFLICTING_OPTIONS', /^stdin: /],
        ...invalid('tty', 5, { cols: 0, rows: 1 }, { cols: 80 }, { cols: 70_000, rows: 1 }),
        ...invalid('timeout', -1, 'x', 2 ** 31),
        ...invalid('maxOutput', 'x', -1),
        ...invalid('init', 'yes', 1),
        ...invalid('signal', 5, {}, 'x'),
        [wrong({ nope: 1 }), 'ERR_INVALID_OPTION', /^nope: /],
      ],
    };

    for (const [topic, make] of Object.entries(cases)) {
      it(topic, async () => {
        for (const [options, code, names] of make()) {
          const error = await refused(shop.busybox, options);
          const what = `${JSON.stringify(options)}: ${error.message}`;
          expect(error.code, what).to.equal(code);
          expect(error.message, what).to.match(names);
          expect(error.stage, what).to.equal('config');
          expect(error.path, what).to.be.a('string');
        }
      });
    }

    it('Options that do not exist are refused', async () => {
      for (const options of [null, 5, 'x', [] as unknown]) {
        const error = await refused(shop.busybox, options as RunOptions);
        expect(error.code).to.equal('ERR_INVALID_OPTION');
        const explained = shop.engine.explain(shop.busybox, ['true'], options as RunOptions);
        expect(await explained.catch((reason: unknown) => reason)).to.be.instanceOf(CaissonError);
      }
      const endless: Record<string, unknown> = {};
      endless['env'] = endless;
      await refused(shop.busybox, endless);
    });

    it('Arguments of the wrong kind are refused', async () => {
      for (const argv of [[], [''], [5], ['a\0b'], 'true', null, {}, ['true', null]]) {
        const error = await refused(shop.busybox, {}, argv as string[]);
        expect(error.code, JSON.stringify(argv)).to.equal('ERR_INVALID_OPTION');
        expect(error.path).to.equal('argv');
      }
    });

    it('The command explain refuses the same as run', async () => {
      for (const options of [{ memory: '1k' }, { volumes: ['/nope:/x'] }, { user: 'nope' }]) {
        const error = await refused(shop.busybox, options);
        const explained: unknown = await shop.engine
          .explain(shop.busybox, ['true'], options)
          .catch((reason: unknown) => reason);
        expect(explained).to.be.instanceOf(CaissonError).with.property('code', error.code);
      }
    });
  });

  describe('commands', () => {
    let root: RootfsImage;

    const file = async (name: string, content: string | Buffer, mode = 0o755) =>
      writeFile(join(root.path, name), content, { mode });

    before(async () => {
      root = shop.copyOfBusybox('commands');
      await file('bin/plain', 'not executable', 0o644);
      await file('bin/empty', '');
      await file('bin/text', 'echo without a first line that says who reads it\n');
      await file('bin/garbage', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 2, 3, 4, 5, 6, 7, 8]));
      await file('bin/orphan', '#! /opt/no/interpreter -x\necho\n');
      await file('bin/windows', '#!/bin/sh\r\necho\r\n');
      await file('bin/nested', '#!/bin/orphan\n');
      await file('bin/nothing', '#!\n');
      await file('bin/closed', '#!/bin/plain\n');
      await mkdir(join(root.path, 'bin/directory'));
      await symlink('loop', join(root.path, 'bin/loop'));
      await symlink('/nowhere', join(root.path, 'bin/dangling'));
      // Dynamic: made for a root that has the loader.
      await copyFile('/bin/true', join(root.path, 'bin/dynamic'));
      await file('bin/dynamic-script', '#!/bin/dynamic\n');
      // For another machine: the ELF header's e_machine at byte 18.
      const foreign = await readFile(join(root.path, 'bin/busybox'));
      foreign.writeUInt16LE(foreign.readUInt16LE(18) === 62 ? 183 : 62, 18);
      await file('bin/foreign', foreign);
    });

    /** PT_INTERP of the host's own programs: the first path in them. */
    const loader = () => /\/[\w./-]*ld-[\w.-]+/.exec(readFileSync('/bin/true', 'latin1'))![0];

    type Case = [
      argv: string[],
      exitCode: 126 | 127,
      errno: string,
      path: string | (() => string),
      message: RegExp,
    ];
    const cases: Record<string, Case> = {
      'is missing': [['nope'], 127, 'ENOENT', 'nope', /"nope".*not found in \$PATH/],
      'is missing, by path': [['/bin/nope'], 127, 'ENOENT', '/bin/nope', /no such file/],
      'is missing, by relative path': [['./nope'], 127, 'ENOENT', './nope', /no such file/],
      'is below a file': [['/bin/sh/x'], 127, 'ENOTDIR', '/bin/sh/x', /not a directory/],
      'is a link to nowhere': [['dangling'], 127, 'ENOENT', 'dangling', /not found/],
      'is a link to itself': [['loop'], 126, 'ELOOP', '/bin/loop', /loop/],
      'is not executable': [['plain'], 126, 'EACCES', '/bin/plain', /permission denied/],
      'is a directory': [['/bin/directory'], 126, 'EACCES', '/bin/directory', /directory/],
      'is a directory in $PATH': [['directory'], 126, 'EACCES', '/bin/directory', /directory/],
      'is empty': [['empty'], 126, 'ENOEXEC', '/bin/empty', /format/],
      'is a text without #!': [['text'], 126, 'ENOEXEC', '/bin/text', /#!/],
      'is a script without an interpreter': [['nothing'], 126, 'ENOEXEC', '/bin/nothing', /format/],
      'is garbage': [['garbage'], 126, 'ENOEXEC', '/bin/garbage', /format/],
      'is for another machine': [['foreign'], 126, 'ENOEXEC', '/bin/foreign', /this machine/],
      'is a script without its interpreter': [
        ['orphan'],
        127,
        'ENOENT',
        '/opt/no/interpreter',
        /"orphan": its interpreter "\/opt\/no\/interpreter"/,
      ],
      'is a script with line ends of Windows': [
        ['windows'],
        127,
        'ENOENT',
        '/bin/sh\r',
        /"\/bin\/sh\\r"/,
      ],
      'is a script of a script without its interpreter': [
        ['nested'],
        127,
        'ENOENT',
        '/opt/no/interpreter',
        /interpreter "\/opt\/no\/interpreter"/,
      ],
      'is a script whose interpreter is not executable': [
        ['closed'],
        126,
        'EACCES',
        '/bin/closed',
        /permission denied/,
      ],
      'is a dynamic program without its loader': [
        ['dynamic'],
        127,
        'ENOENT',
        loader,
        /"dynamic": its loader "\/lib.*ld-linux.*" is not in the container/,
      ],
      'is a script of a dynamic program without its loader': [
        ['dynamic-script'],
        127,
        'ENOENT',
        loader,
        /its loader "\/lib/,
      ],
      'has a name that is too long': [
        ['x'.repeat(300)],
        126,
        'ENAMETOOLONG',
        `/bin/${'x'.repeat(300)}`,
        /ENAMETOOLONG/,
      ],
    };

    for (const [what, [argv, exitCode, errno, path, message]] of Object.entries(cases)) {
      it(`A command that ${what} is an error with a code`, async () => {
        for (const options of [{}, { init: false }, { tty: true }, { user: '1000' }]) {
          const error = await failure(root, argv, { ...options, env: { PATH: '/sbin:/bin' } });
          const { code, stage, step, syscall } = error;
          expect({ code, stage, step, syscall, errno: error.errno }).to.deep.equal({
            code: exitCode === 127 ? 'ERR_COMMAND_NOT_FOUND' : 'ERR_COMMAND_NOT_EXECUTABLE',
            stage: 'exec',
            step: 'exec',
            syscall: 'execve',
            errno,
          });
          expect(error.exitCode).to.equal(exitCode);
          expect(error.stepIndex).to.be.a('number');
          expect(error.message).to.match(message);
          const about = typeof path === 'string' ? path : path();
          expect(error.path?.replace(/^\/sbin\//, '/bin/')).to.equal(about);
          if (/interpreter|loader/.test(error.message)) expect(error.hint).to.be.a('string');
        }
      });
    }

    it('Commands that the user may not execute are refused', async () => {
      await file('bin/private', '#!/bin/sh\n', 0o700);
      const error = await failure(root, ['private'], { user: '1000' });
      expect([error.exitCode, error.errno]).to.deep.equal([126, 'EACCES']);
      expect((await shop.engine.run(root, ['private'])).exitCode).to.equal(0);
    });

    it('A command that lies where nothing may be executed is refused', async () => {
      await writeFile(shop.path('volume/program'), '#!/bin/sh\n', { mode: 0o755 });
      const volumes = [`${shop.path('volume')}:/volume`];
      expect((await shop.engine.run(root, ['/volume/program'], { volumes })).exitCode).to.equal(0);
      const error = await failure(root, ['/tmp/true'], { tmpfs: ['/tmp:noexec'] });
      expect(error.exitCode).to.equal(127);
    });

    it('Commands are looked for in the container’s own PATH, in its order', async () => {
      const path = async (PATH: string, argv: string[]) =>
        failure(root, argv, { env: { PATH } }).catch(() => undefined);
      expect((await path('/nowhere', ['true']))?.exitCode).to.equal(127);
      expect((await path('', ['true']))?.exitCode).to.equal(127);
      // One that may not be executed does not end the search.
      await mkdir(join(root.path, 'first'));
      await file('first/true', 'not executable', 0o644);
      const found = await shop.engine.run(root, ['true'], { env: { PATH: '/first:/bin' } });
      expect(found.exitCode).to.equal(0);
      expect((await path('/first:/nowhere', ['true']))?.exitCode).to.equal(126);
    });

    it('A command in a path through a file is refused', async () => {
      await file('file', '');
      for (const workdir of ['/file', '/file/below', '/bin/loop']) {
        const error = await failure(root, ['true'], { workdir });
        expect(error.code).to.equal('ERR_INVALID_WORKDIR');
        expect(error.exitCode).to.equal(125);
        expect(error.path).to.equal(workdir);
        expect(error.stage).to.equal('container');
      }
    });
  });

  needsRoot('rights to give up').describe('privileges', () => {
    /** What becomes of a container in a process with other rights. */
    const as = async (...rights: string[]) => {
      const place = shop.path('unprivileged');
      await mkdir(place, { recursive: true, mode: 0o777 });
      const roots = [join(place, 'data'), join(place, 'run'), shop.busybox.path];
      const { stdout } = await execute('setpriv', [
        ...rights,
        process.execPath,
        fixture('unprivileged'),
        ...roots,
      ]);
      return JSON.parse(stdout) as Record<string, unknown>;
    };

    it('A user other than the owner of the directories is refused', async () => {
      const error = await as('--reuid=65534', '--regid=65534', '--clear-groups');
      expect(error).to.include({ code: 'ERR_NO_PRIVILEGES', exitCode: 125, opened: false });
      expect(error['hint']).to.match(/directories of your own/);
    });

    it('Root without CAP_SYS_ADMIN is refused', async () => {
      const error = await as('--bounding-set=-sys_admin', '--inh-caps=-sys_admin');
      expect(error).to.include({ code: 'ERR_NO_PRIVILEGES', exitCode: 125, left: '' });
      expect(error['hint']).to.match(/CAP_SYS_ADMIN/);
    });
  });
});
