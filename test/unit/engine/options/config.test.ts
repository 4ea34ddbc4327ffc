import { constants } from 'node:buffer';
import { expect } from 'chai';
import {
  type ContainerConfig,
  type ImageDefaults,
  normalize,
} from '../../../../lib/engine/options/config.js';
import type { RunOptions } from '../../../../lib/engine/options/options.js';
import type { ErrorCode } from '../../../../lib/base/errors.js';
import { expectError } from '../../support/expect-error.js';

const IMAGE: ImageDefaults = {
  env: ['PATH=/bin'],
  cmd: ['sh'],
  entrypoint: [],
  user: '',
  workdir: '/',
};
const HOST = { cpus: '0-1', mems: '0' };

function config(
  options: RunOptions = {},
  argv: readonly string[] = ['true'],
  image = IMAGE,
): ContainerConfig {
  return normalize(argv, options, image, HOST);
}

/** Options as a JavaScript caller might give them. */
function refused(options: Record<string, unknown>, code: ErrorCode, text: RegExp): void {
  it(`These options are refused: ${JSON.stringify(options)}`, () => {
    expectError(() => config(options), code, text);
  });
}

function invalid(options: Record<string, unknown>): void {
  refused(options, 'ERR_INVALID_OPTION', new RegExp(`^${Object.keys(options)[0]}: `));
}

describe('normalize: defaults', () => {
  it('Options that are not given have defaults', () => {
    const plain = config();
    expect(plain).to.include({
      workdir: '/',
      user: undefined,
      init: true,
      userns: 'auto',
      network: 'none',
      privileged: false,
      readOnly: false,
      noNewPrivileges: false,
      stdin: 'null',
      stdout: 'pipe',
      stderr: 'pipe',
      maxOutput: 100 * 2 ** 20,
      maxLine: 2 ** 20,
      shmSize: 64 * 2 ** 20,
      stopSignal: 15,
      terminal: undefined,
      timeout: undefined,
    });
    expect(plain.capabilities).to.have.length(14);
    expect(plain.seccomp).to.deep.equal({ kind: 'default' });
    expect(plain.resources).to.deep.equal({});
    expect(plain.mounts).to.deep.equal([]);
  });

  it('Words that are not options are refused', () => {
    expectError(
      () => config({ memmory: 1 } as RunOptions),
      'ERR_INVALID_OPTION',
      /^memmory: 1 is not an option/,
    );
  });

  it('Options that are undefined are ignored', () => {
    expect(config({ memory: undefined, env: undefined, tty: undefined })).to.deep.equal(config());
  });
});

describe('normalize: the command line', () => {
  const image = { ...IMAGE, cmd: ['serve'], entrypoint: ['/start'] };

  it('The entrypoint and the arguments are put together as Docker does', () => {
    expect(config({}, [], image).args).to.deep.equal(['/start', 'serve']);
    expect(config({}, ['x'], image).args).to.deep.equal(['/start', 'x']);
    expect(config({ entrypoint: 'sh' }, [], image).args).to.deep.equal(['sh']);
    expect(config({ entrypoint: ['sh', '-c'] }, ['x'], image).args).to.deep.equal([
      'sh',
      '-c',
      'x',
    ]);
    expect(config({ entrypoint: '' }, ['x'], image).args).to.deep.equal(['x']);
    expect(config({}, []).args).to.deep.equal(['sh']);
  });

  it('A missing or empty command, NUL bytes, and what is no array are refused', () => {
    expectError(
      () => config({}, [], { ...IMAGE, cmd: [] }),
      'ERR_INVALID_OPTION',
      /argv: .*no command of its own/,
    );
    expectError(() => config({ entrypoint: '' }, [], image), 'ERR_INVALID_OPTION', /^argv: /);
    expectError(() => config({}, ['']), 'ERR_INVALID_OPTION', /empty command/);
    expectError(() => config({}, ['a\0b']), 'ERR_INVALID_OPTION', /NUL/);
    expectError(
      () => config({}, 'ls -l' as unknown as string[]),
      'ERR_INVALID_OPTION',
      /not an array/,
    );
    expectError(() => config({}, [1] as unknown as string[]), 'ERR_INVALID_OPTION', /not a string/);
  });
});

describe('normalize: memory', () => {
  it('Sizes are read, and swap is what Docker means by it', () => {
    expect(config({ memory: '64m' }).resources).to.deep.equal({ memory: 64 * 2 ** 20 });
    expect(config({ memory: '4m' }).resources).to.deep.equal({ memory: 4 * 2 ** 20 });
    expect(config({ memory: 0 }).resources).to.deep.equal({});
    expect(config({ memory: '64m', memorySwap: -1 }).resources.memorySwap).to.equal(-1);
    expect(config({ memory: '64m', memorySwap: '-1' }).resources.memorySwap).to.equal(-1);
    expect(config({ memory: '64m', memorySwap: '64m' }).resources.memorySwap).to.equal(
      64 * 2 ** 20,
    );
    expect(
      normalize(['x'], { memory: '64m' }, IMAGE, { ...HOST, swapLimit: true }).resources.memorySwap,
    ).to.equal(2 ** 27);
  });
  invalid({ memory: '1x' });
  invalid({ memory: '1k' });
  invalid({ memory: '-64m' });
  invalid({ memory: -1 });
  invalid({ memory: null });
  invalid({ memoryReservation: '1m' });
  refused({ memorySwap: '64m' }, 'ERR_CONFLICTING_OPTIONS', /memorySwap: needs a memory limit/);
  refused(
    { memory: '64m', memorySwap: '32m' },
    'ERR_CONFLICTING_OPTIONS',
    /memorySwap: .*less than/,
  );
  refused(
    { memory: '64m', memoryReservation: '65m' },
    'ERR_CONFLICTING_OPTIONS',
    /memoryReservation: /,
  );
  refused({ memory: '64m', memorySwap: -2 }, 'ERR_INVALID_OPTION', /memorySwap: -2 is negative/);
  invalid({ memorySwappiness: 101 });
  invalid({ memorySwappiness: -2 });
  invalid({ oomKillDisable: 'yes' });
  invalid({ oomScoreAdj: 1001 });
  invalid({ oomScoreAdj: -1001 });
  invalid({ storageOpt: { size: '7m' } });
  invalid({ storageOpt: { size: '16t' } });
  invalid({ storageOpt: ['size'] });
  invalid({ storageOpt: 'size=1g' });
  invalid({ shmSize: 0 });
  invalid({ shmSize: '-1' });
});

describe('normalize: processors, processes, block I/O', () => {
  it('The option cpus becomes a quota of a period', () => {
    expect(config({ cpus: 0.5 }).resources).to.deep.equal({ cpuPeriod: 100_000, cpuQuota: 50_000 });
    expect(config({ cpus: '0.015' }).resources.cpuQuota).to.equal(1500);
    expect(config({ cpus: '0.29' }).resources.cpuQuota).to.equal(29_000);
    expect(config({ cpus: 2 }).resources.cpuQuota).to.equal(200_000);
    expect(config({ cpuPeriod: 50_000, cpuQuota: '25000' }).resources).to.deep.equal({
      cpuPeriod: 50_000,
      cpuQuota: 25_000,
    });
    expect(config({ cpuShares: 2 }).resources).to.deep.equal({ cpuShares: 2 });
    expect(config({ cpusetCpus: '0-1', cpusetMems: '0' }).resources).to.deep.equal({
      cpusetCpus: '0-1',
      cpusetMems: '0',
    });
    expect(config({ pidsLimit: -1 }).resources).to.deep.equal({ pidsLimit: -1 });
    expect(config({ pidsLimit: '20' }).resources).to.deep.equal({ pidsLimit: 20 });
  });
  invalid({ cpuShares: 1 });
  invalid({ cpuShares: 262_145 });
  invalid({ cpuShares: -5 });
  invalid({ cpuShares: '12x' });
  invalid({ cpus: 2.5 });
  invalid({ cpus: '0.001' });
  invalid({ cpus: '-1' });
  invalid({ cpus: 'many' });
  invalid({ cpuPeriod: 999 });
  invalid({ cpuPeriod: 1_000_001 });
  invalid({ cpuQuota: 999 });
  invalid({ cpuQuota: -2 });
  refused({ cpus: 1, cpuQuota: 5000 }, 'ERR_CONFLICTING_OPTIONS', /^cpus: excludes/);
  invalid({ cpusetCpus: '2' });
  invalid({ cpusetCpus: '0-9' });
  invalid({ cpusetCpus: 'a' });
  invalid({ cpusetCpus: '1-0' });
  invalid({ cpusetMems: '1' });
  invalid({ pidsLimit: -2 });
  invalid({ pidsLimit: 1.5 });
  invalid({ blkioWeight: 9 });
  invalid({ blkioWeight: 1001 });
  invalid({ deviceReadBps: ['/dev/sda'] });
  invalid({ deviceWriteIops: ['/dev/sda:fast'] });
  invalid({ deviceWriteBps: '/dev/sda:1m' });
});

describe('normalize: names and identity', () => {
  it('Names are accepted as the patterns allow', () => {
    expect(config({ hostname: 'box' }).hostname).to.equal('box');
    expect(config({ hostname: 'a-1.Example.com' }).hostname).to.equal('a-1.Example.com');
    expect(config({ name: '/web.1' }).name).to.equal('web.1');
    expect(config({ labels: ['a=b', 'c'] }).labels).to.deep.equal({ a: 'b', c: '' });
  });
  it('Every host name that the kernel takes is accepted', () => {
    for (const hostname of ['a-', 'a_b', 'a..b', '.a', 'a.', 'ä', 'a'.repeat(64)])
      expect(config({ hostname }).hostname).to.equal(hostname);
    expect(config({ hostname: '', domainname: '' })).to.include({
      hostname: undefined,
      domainname: undefined,
    });
  });
  for (const hostname of [
    '-a',
    'a/b',
    'a b',
    ' a',
    'a\n',
    'a\u0001',
    'a\0',
    'a'.repeat(65),
    'ü'.repeat(33),
  ]) {
    invalid({ hostname });
  }
  invalid({ domainname: 'a b' });
  for (const name of ['', 'a', '-ab', '.ab', 'a/b', '../x', 'a b', 'ab\n', 'x'.repeat(256)])
    invalid({ name });
  invalid({ labels: ['=x'] });
  for (const user of [
    '',
    '1000 ',
    ' 1000',
    '+0',
    '-1',
    '0x0',
    '00',
    '01',
    '0:',
    ':0',
    '0:0:0',
    'root\n',
    'a:b:c',
    '4294967295',
    '99999999999',
    'a\0b',
    'a\tb',
  ]) {
    if (user !== '') invalid({ user });
  }
  invalid({ user: '65536' });
  invalid({ user: '0:65536' });
  invalid({ groupAdd: ['65536'] });
  invalid({ groupAdd: [-1] });
  invalid({ groupAdd: 'video' });
  it('All ids are allowed with the host’s users', () => {
    expect(config({ user: '70000:70000', userns: 'host' }).user).to.equal('70000:70000');
  });
  invalid({ workdir: 'relative' });
  invalid({ workdir: '/a\0' });
  it('The working directory is normalized', () => {
    expect(config({ workdir: '/a//b/../c/' }).workdir).to.equal('/a/c');
    expect(config({}, ['x'], { ...IMAGE, workdir: '/srv' }).workdir).to.equal('/srv');
  });
});

describe('normalize: environment', () => {
  it('The environment may be a record or an array', () => {
    expect(config({ env: { A: '1', B: undefined } }).env).to.deep.equal(['A=1', 'B']);
    expect(config({ env: ['A=1', 'B=', 'C'] }).env).to.deep.equal(['A=1', 'B=', 'C']);
  });
  invalid({ env: ['=x'] });
  invalid({ env: [''] });
  invalid({ env: ['A=\0'] });
  invalid({ env: { '': 'x' } });
  invalid({ env: { 'A=B': 'x' } });
  invalid({ env: { A: 1 } });
  invalid({ env: 'A=1' });
});

describe('normalize: security', () => {
  it('Security options are read', () => {
    expect(config({ securityOpt: ['no-new-privileges'] }).noNewPrivileges).to.equal(true);
    expect(config({ securityOpt: ['no-new-privileges:true'] }).noNewPrivileges).to.equal(true);
    expect(config({ securityOpt: ['no-new-privileges=false'] }).noNewPrivileges).to.equal(false);
    expect(config({ securityOpt: ['seccomp=unconfined'] }).seccomp).to.deep.equal({
      kind: 'unconfined',
    });
    expect(config({ securityOpt: ['seccomp=/a=b.json'] }).seccomp).to.deep.equal({
      kind: 'file',
      path: '/a=b.json',
    });
  });
  it('The option privileged means what it says', () => {
    const all = config({ privileged: true });
    expect(all.userns).to.equal('host');
    expect(all.capabilities).to.have.length(41);
    expect(all.seccomp.kind).to.equal('unconfined');
  });
  invalid({ securityOpt: ['label=nonsense'] });
  invalid({ securityOpt: ['label=type:'] });
  invalid({ securityOpt: ['label'] });
  invalid({ securityOpt: ['apparmor='] });
  invalid({ securityOpt: ['apparmor=a\nexec b'] });
  invalid({ securityOpt: ['seccomp='] });
  invalid({ securityOpt: ['no-new-privileges:maybe'] });
  invalid({ securityOpt: ['nonsense'] });
  invalid({ securityOpt: 'no-new-privileges' });
  refused({ userns: 'auto', privileged: true }, 'ERR_CONFLICTING_OPTIONS', /userns: /);
  refused({ userns: 'keep-id' }, 'ERR_UNSUPPORTED_OPTION', /userns: "keep-id"/);
  refused({ network: 'x:y' }, 'ERR_UNSUPPORTED_OPTION', /network: "x:y"/);
  refused({ network: 'a b' }, 'ERR_INVALID_OPTION', /is not the name of a network/);
  invalid({ capAdd: ['NOPE'] });
  invalid({ capDrop: ['CAP_'] });
  invalid({ privileged: 'yes' });
});

describe('normalize: kernel parameters and limits', () => {
  it('Namespaced sysctls are taken', () => {
    expect(
      config({ sysctls: { 'kernel.shmmax': 4096, 'net.core.somaxconn': '128' } }).sysctls,
    ).to.deep.equal({
      'kernel.shmmax': '4096',
      'net.core.somaxconn': '128',
    });
    expect(config({ sysctls: ['net.ipv4.ip_forward=1'] }).sysctls).to.deep.equal({
      'net.ipv4.ip_forward': '1',
    });
  });
  for (const name of [
    'kernel.core_pattern',
    'kernel.msg',
    'kernel.shm_next_id',
    'vm.swappiness',
    'net',
    'net.',
    'net..a',
    'net/core/x',
    'net.core/../x',
    '../kernel.sem',
    'kernel.sem.',
    'fs.mqueue.x',
    'net.core.a\n',
    'kernel/sem',
    'fs.file-max',
    'user.max_user_namespaces',
  ]) {
    invalid({ sysctls: { [name]: '1' } });
  }
  refused({ sysctls: { 'kernel.hostname': 'x' } }, 'ERR_UNSUPPORTED_OPTION', /use hostname/);
  refused(
    { network: 'host', sysctls: ['net.core.somaxconn=1'] },
    'ERR_CONFLICTING_OPTIONS',
    /network of its own/,
  );
  invalid({ sysctls: ['kernel.sem'] });
  invalid({ sysctls: ['kernel.sem=1\n2'] });
  invalid({ sysctls: ['kernel.sem='] });

  it('Limits are taken', () => {
    expect(config({ ulimits: ['nofile=1024:2048', 'core=-1', 'nofile=10'] }).rlimits).to.deep.equal(
      [
        { type: 'RLIMIT_NOFILE', soft: 10, hard: 10 },
        { type: 'RLIMIT_CORE', soft: 2 ** 64, hard: 2 ** 64 },
      ],
    );
    expect(config({ ulimits: { nproc: { soft: 1, hard: -1 }, stack: 5 } }).rlimits).to.deep.equal([
      { type: 'RLIMIT_NPROC', soft: 1, hard: 2 ** 64 },
      { type: 'RLIMIT_STACK', soft: 5, hard: 5 },
    ]);
  });
  for (const text of [
    'nofile',
    'nofile=',
    'nofile=a',
    'nofile=2:1',
    'nofile=-1:5',
    'nofile=-2',
    'nope=1',
    'nofile=1:2:3',
    'NOFILE=1',
  ]) {
    invalid({ ulimits: [text] });
  }
});

describe('normalize: mounts', () => {
  it('Volumes are read', () => {
    expect(config({ volumes: ['/a:/b'] }).mounts).to.deep.equal([
      { type: 'bind', source: '/a', target: '/b', options: ['rbind', 'rprivate'], from: 'volumes' },
    ]);
    expect(config({ volumes: ['/a:/b:ro'] }).mounts[0]?.options).to.deep.equal([
      'rbind',
      'rprivate',
      'ro',
      'rro',
    ]);
    expect(config({ volumes: ['/a:/b:bind,rslave,rw'] }).mounts[0]?.options).to.deep.equal([
      'bind',
      'rslave',
    ]);
  });
  it('The outer mounts come first', () => {
    const { mounts } = config({ volumes: ['/x:/a/b/c', '/y:/a'], tmpfs: ['/a/b'] });
    expect(mounts.map(({ target }) => target)).to.deep.equal(['/a', '/a/b', '/a/b/c']);
  });
  it('The options tmpfs and mounts are read', () => {
    expect(config({ tmpfs: { '/run': '' } }).mounts[0]?.options).to.deep.equal([
      'noexec',
      'nosuid',
      'nodev',
    ]);
    expect(config({ tmpfs: ['/run:exec,size=1m,mode=700'] }).mounts[0]?.options).to.deep.equal([
      'nosuid',
      'nodev',
      'exec',
      'size=1m',
      'mode=700',
    ]);
    expect(
      config({
        mounts: [
          { type: 'tmpfs', target: '/t', tmpfsSize: '1m', tmpfsMode: 0o1770, readOnly: true },
        ],
      }).mounts[0]?.options,
    ).to.deep.equal(['noexec', 'nosuid', 'nodev', 'size=1048576', 'mode=1770', 'ro']);
    expect(
      config({
        mounts: [
          { type: 'bind', source: '/a', target: '/b/', bindRecursive: false, readOnly: true },
        ],
      }).mounts[0],
    ).to.deep.include({ target: '/b', options: ['bind', 'rprivate', 'ro'] });
  });
  for (const volume of [
    '',
    ':',
    '::',
    '/a:',
    ':/b',
    '/a:b',
    './a:/b',
    '/a:/',
    '/a:/x/..',
    '/a:/b:nope',
    '/a:/b:ro,rw',
    '/a:/b:ro:x',
    '/a:/proc',
    '/a:/proc/self',
    '/a:/x/../proc/sys',
    '/a\0:/b',
  ]) {
    invalid({ volumes: [volume] });
  }
  it('A source without a slash is the name of a volume, and a target alone is an anonymous one', () => {
    const { mounts } = config({ volumes: ['data:/b:ro,nocopy', '/data', '/a:/b/c:Z'] });
    expect(mounts).to.deep.equal([
      { type: 'volume', volume: { name: 'data', noCopy: true }, target: '/b', options: ['rbind', 'rprivate', 'ro', 'rro'], from: 'volumes' }, // prettier-ignore
      { type: 'volume', volume: {}, target: '/data', options: ['rbind', 'rprivate'], from: 'volumes' }, // prettier-ignore
      { type: 'bind', source: '/a', target: '/b/c', options: ['rbind', 'rprivate'], from: 'volumes' }, // prettier-ignore
    ]);
  });
  for (const volume of [
    'd:/b',
    '-data:/b',
    'da/ta:/b',
    'data:/b:rslave',
    'data:/b:idmap=host',
    '/a:/b:nocopy',
    'data',
    `${'x'.repeat(256)}:/b`,
  ])
    // prettier-ignore
    invalid({ volumes: [volume] });
  refused(
    { volumes: ['/a:/b', '/c:/b/'] },
    'ERR_CONFLICTING_OPTIONS',
    /volumes: "\/b" is mounted more than once/,
  );
  refused({ volumes: ['/a:/b'], tmpfs: ['/x/../b'] }, 'ERR_CONFLICTING_OPTIONS', /"\/b"/);
  invalid({ mounts: [{ type: 'bind', source: 'a', target: '/b' }] });
  invalid({ mounts: [{ type: 'bind', source: '/a', target: 'b' }] });
  invalid({ mounts: [{ type: 'bind', target: '/b' }] });
  invalid({ mounts: [{ type: 'bind', source: '/a', target: '/b', bindPropagation: 'x' }] });
  invalid({ mounts: [{ type: 'nfs', target: '/b' }] });
  invalid({ mounts: [{ type: 'image', target: '/b' }] });
  refused({ mounts: [{ type: 'npipe', target: '/b' }] }, 'ERR_UNSUPPORTED_OPTION', /"npipe"/);
  refused({ mounts: [{ type: 'volume', target: '/b', volumeDriver: 'nfs' }] }, 'ERR_UNSUPPORTED_OPTION', /"nfs"/); // prettier-ignore
  invalid({ mounts: [{ type: 'volume', source: '/a', target: '/b' }] });
  invalid({ mounts: [{ type: 'volume', source: 'data', target: '/b', volumeSubpath: '../x' }] });
  invalid({ mounts: [{ type: 'volume', source: 'data', target: '/b', volumeSubpath: '/x' }] });
  invalid({ mounts: [{ type: 'volume', target: '/b', volumeSubpath: 'x' }] });
  invalid({ mounts: [{ type: 'volume', target: '/b', volumeOptions: { nope: 'y' } }] });
  invalid({ volumesFrom: ['a:b:c'] });
  invalid({ volumesFrom: ['a:rx'] });
  invalid({ volumesFrom: [''] });
  refused({ volumesFrom: ['a:ro,rw'] }, 'ERR_CONFLICTING_OPTIONS', /more than one mode/);
  invalid({ volumes: ['/a:/b:idmap=root'] });
  invalid({ volumes: ['/a:/b:idmap=host,idmap=host'] });
  invalid({ mounts: [{ type: 'bind', source: '/a', target: '/b', idmap: 1 }] });
  invalid({ idmap: 'root' });
  invalid({ tmpfs: ['run'] });
  invalid({ tmpfs: ['/run:size=lots'] });
  invalid({ tmpfs: ['/run:mode=999'] });
  invalid({ tmpfs: ['/run:upperdir=/x'] });
  for (const device of [
    '',
    'null',
    '/dev/null:null',
    '/dev/null:/dev/x:rx',
    '/dev/null:/dev/x:rr',
    '/dev/null:/etc/x',
    '/dev/a:/dev/b:r:w',
  ]) {
    invalid({ devices: [device] });
  }
  it('Devices are read', () => {
    expect(
      config({ devices: ['/dev/fuse', '/dev/a:/dev/b', '/dev/c:r', '/dev/d:/dev/e:rw'] }).devices,
    ).to.deep.equal([
      { source: '/dev/fuse', target: '/dev/fuse', access: 'rwm' },
      { source: '/dev/a', target: '/dev/b', access: 'rwm' },
      { source: '/dev/c', target: '/dev/c', access: 'r' },
      { source: '/dev/d', target: '/dev/e', access: 'rw' },
    ]);
  });
});

describe('normalize: streams and ends', () => {
  it('A terminal has its stdin', () => {
    const { terminal, stdin } = config({ tty: true });
    expect(terminal).to.deep.equal({ cols: 80, rows: 24 });
    expect(stdin).to.equal('pipe');
  });
  invalid({ tty: { cols: 0, rows: 10 } });
  invalid({ tty: 'yes' });
  invalid({ stdout: 'file' });
  refused({ tty: true, stdout: 'inherit' }, 'ERR_CONFLICTING_OPTIONS', /stdout: /);
  invalid({ timeout: -1 });
  invalid({ timeout: Number.NaN });
  invalid({ maxOutput: -1 });
  invalid({ stopSignal: 'NOPE' });
  invalid({ maxOutput: Infinity });
  invalid({ maxOutput: constants.MAX_STRING_LENGTH + 1 });
  it('An output that a string can hold is taken', () => {
    const maxOutput = constants.MAX_STRING_LENGTH;
    expect(config({ maxOutput }).maxOutput).to.equal(maxOutput);
  });
  invalid({ maxLine: 0 });
  invalid({ maxLine: '1g' });
});

describe('normalize: names of hosts', () => {
  invalid({ addHost: ['a'] });
  invalid({ addHost: ['a:b'] });
  invalid({ addHost: ['a b:1.2.3.4'] });
  invalid({ dns: ['example.com'] });
  invalid({ dnsSearch: ['a b'] });
  invalid({ dnsOption: ['ndots:1\nnameserver 6.6.6.6'] });
  refused({ addHost: ['a:host-gateway'] }, 'ERR_CONFLICTING_OPTIONS', /host-gateway/);
});
