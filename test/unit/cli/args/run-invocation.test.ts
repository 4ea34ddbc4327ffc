import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CidFile } from '../../../../lib/cli/commands/cid-file.js';
import { errorText } from '../../../../lib/cli/format/error-text.js';
import { UNSUPPORTED_CREATE_FLAGS } from '../../../../lib/cli/flags/create-flags.js';
import { RUN_FLAGS } from '../../../../lib/cli/flags/run-flags.js';
import { HelpRequest } from '../../../../lib/cli/args/help-request.js';
import { parseMountFlag } from '../../../../lib/cli/args/mount-flag.js';
import { parseRun, type RunInvocation } from '../../../../lib/cli/args/run-invocation.js';
import { UsageError } from '../../../../lib/cli/args/usage-error.js';
import { normalize } from '../../../../lib/engine/options/config.js';
import type { RunOptions } from '../../../../lib/engine/options/options.js';
import type { ErrorCode } from '../../../../lib/base/errors.js';
import { expectError } from '../../support/expect-error.js';

const CONTEXT = { env: { KNOWN: 'yes' }, cwd: '/here' };

function run(...args: readonly string[]): RunInvocation {
  return parseRun('run', args, CONTEXT);
}

function options(...args: readonly string[]): RunOptions {
  return run(...args, 'host').options;
}

function usage(
  args: readonly string[],
  code: ErrorCode,
  text: RegExp,
  status: 1 | 125 = 125,
): void {
  it(`The command line is refused: ${args.join(' ')}`, () => {
    const error = expectError(() => run(...args), code, text);
    expect(error).to.be.instanceOf(UsageError);
    expect((error as UsageError).status).to.equal(status);
  });
}

describe('run: where flags end', () => {
  it('The words after the image are left to the container', () => {
    const { image, argv, tty } = run('--rm', 'host', 'ls', '-it', '--nope', '--', '-m');
    expect(image).to.equal('host');
    expect(argv).to.deep.equal(['ls', '-it', '--nope', '--', '-m']);
    expect(tty).to.equal(false);
  });

  it('The words -- end flags, once', () => {
    expect(run('-i', '--', 'host', '--', 'x')).to.deep.include({
      image: 'host',
      argv: ['--', 'x'],
    });
  });

  it('A single dash is an argument', () => {
    expect(run('-').image).to.equal('-');
  });
});

describe('run: spellings of flags', () => {
  it('Flags can be clusters, with a value at the end', () => {
    for (const args of [
      ['-itm', '64m'],
      ['-itm64m'],
      ['-itm=64m'],
      ['-i', '-t', '-m', '64m'],
      ['-ti', '--memory=64m'],
    ]) {
      const invocation = run(...args, 'host');
      expect(invocation, args.join(' ')).to.deep.include({ tty: true, interactive: true });
      expect(invocation.options.memory).to.equal('64m');
    }
  });

  it('Switches can have a value', () => {
    expect(options('--init').init).to.equal(true);
    expect(options('--init=true', '--read-only=1').init).to.equal(true);
    expect(options('--init', '--init=false').init).to.equal(false);
    expect(run('-t=false', '-i=T', 'host')).to.deep.include({ tty: false, interactive: true });
    expect(run('--sig-proxy=false', 'host').sigProxy).to.equal(false);
    expect(run('host').sigProxy).to.equal(true);
  });

  it('A flag takes the next word, whatever it looks like', () => {
    expect(options('--memory-swap', '-1').memorySwap).to.equal('-1');
    expect(options('-e', '-x=1').env).to.deep.equal(['-x=1']);
    expect(options('-h', 'box').hostname).to.equal('box');
    expect(options('-e', '').env).to.deep.equal(['']);
  });

  it('Flags that may be repeated are collected, and of the others the last counts', () => {
    const given = options(
      '-e',
      'A=1',
      '--env=B=2',
      '-eC=3',
      '-m',
      '1g',
      '-m',
      '2g',
      '--cap-add',
      'X',
      '--cap-add=Y',
    );
    expect(given.env).to.deep.equal(['A=1', 'B=2', 'C=3']);
    expect(given.memory).to.equal('2g');
    expect(given.capAdd).to.deep.equal(['X', 'Y']);
  });

  it('Docker’s older spellings are known', () => {
    expect(options('--net', 'host').network).to.equal('host');
    expect(options('--allow', 'a.example:1', '--allow', '10.0.0.1').network).to.deep.equal({
      name: 'bridge',
      allow: ['a.example:1', '10.0.0.1'],
    });
    const flags = ['--network', 'web', '--deny', '10.0.0.1', '--network-default', 'deny'];
    expect(options(...flags).network).to.deep.equal({
      name: 'web',
      deny: ['10.0.0.1'],
      default: 'deny',
    });
    expect(options('--network', 'web', '--network', 'name=db,ip=10.1.0.9,alias=a,alias=b,mac-address=02:00:00:00:00:01', '--ip', '10.2.0.9')).to.deep.include({ network: 'web', ip: '10.2.0.9', networks: [{ network: 'db', ip: '10.1.0.9', aliases: ['a', 'b'], macAddress: '02:00:00:00:00:01' }] }); // prettier-ignore
    expect(options('--network', 'name=web,link-local-ip=169.254.1.1,ip6=fd00::1')).to.deep.include({ network: 'web', ip6: 'fd00::1', linkLocalIps: ['169.254.1.1'] }); // prettier-ignore
    expect(options('--network', 'name=web,gw-priority=-2', '--network-alias', 'a').networks).to.deep.include.members([{ network: 'web', aliases: ['a'], gatewayPriority: -2, ip: undefined, ip6: undefined, macAddress: undefined, linkLocalIps: undefined }]); // prettier-ignore
    expect(options('--network', 'slirp4netns:mtu=1500').network).to.equal('slirp4netns:mtu=1500');
    expect(options('-P', '--expose', '80', '--expose', '8000-8010/udp')).to.deep.include({ publishAll: true, expose: ['80', '8000-8010/udp'] }); // prettier-ignore
    const byEnvironment = (CAISSON_NETWORK: string, ...args: string[]) =>
      parseRun('run', [...args, 'host'], { env: { CAISSON_NETWORK }, cwd: '/here' }).options;
    expect(byEnvironment('web').network).to.equal('web');
    expect(byEnvironment('name=web,ip=10.1.0.9')).to.deep.include({
      network: 'web',
      ip: '10.1.0.9',
    });
    expect(byEnvironment('web', '--network', 'none').network).to.equal('none');
    expect(byEnvironment('web', '--allow', '10.0.0.1').network).to.deep.equal({ name: 'web', allow: ['10.0.0.1'] }); // prettier-ignore
    expect(byEnvironment('')).to.not.have.property('network');
    expectError(() => byEnvironment('name=web,x=y'), 'ERR_INVALID_OPTION', /^CAISSON_NETWORK: .*invalid field key x$/); // prettier-ignore
    for (const [text, why] of [
      ['alias=a', /network name\/id is not specified/],
      ['name=web,x=y', /invalid field key x/],
    ] as const)
      // prettier-ignore
      expectError(() => options('--network', text), 'ERR_INVALID_OPTION', why);
    const conflict = (text: RegExp, ...args: string[]) =>
      expectError(() => options(...args), 'ERR_CONFLICTING_OPTIONS', text);
    conflict(/"web" is specified multiple times/, '--network', 'web', '--network', 'web');
    conflict(/cannot attach both/, '--network', 'web', '--network', 'bridge');
    conflict(/both --ip and/, '--network', 'name=web,ip=10.1.0.1', '--ip', '10.1.0.2');
    expect(options('--dns-opt', 'ndots:1').dnsOption).to.deep.equal(['ndots:1']);
  });

  usage([], 'ERR_INVALID_OPTION', /requires at least 1 argument/, 1);
  usage(['-it'], 'ERR_INVALID_OPTION', /requires at least 1 argument/, 1);
  usage(['--nope', 'host'], 'ERR_INVALID_OPTION', /^unknown flag: --nope/);
  usage(['-y', 'host'], 'ERR_INVALID_OPTION', /^unknown shorthand flag: 'y' in -y/);
  usage(['-iy', 'host'], 'ERR_INVALID_OPTION', /'y' in -iy/);
  usage(['-m'], 'ERR_INVALID_OPTION', /^flag needs an argument: 'm' in -m/);
  usage(['--memory'], 'ERR_INVALID_OPTION', /^flag needs an argument: --memory/);
  usage(['--init=maybe', 'host'], 'ERR_INVALID_OPTION', /"maybe" for "--init"/);
  usage(['-itP', '--runtime', 'runc', 'host'], 'ERR_UNSUPPORTED_OPTION', /--runtime/);
  usage(['--gpus', 'all', 'host'], 'ERR_UNSUPPORTED_OPTION', /--gpus/);

  it('Help can be asked for', () => {
    expect(() => parseRun('run', ['--help'], CONTEXT)).to.throw(HelpRequest);
    expect(() => parseRun('run', ['-m', '1k', '--help'], CONTEXT)).to.throw(HelpRequest);
  });
});

describe('run: every flag of Docker 28', () => {
  const docker =
    'add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count ' +
    'cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys ' +
    'device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns ' +
    'dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries ' +
    'health-start-interval health-start-period health-timeout help hostname init interactive io-maxbandwidth io-maxiops ip ip6 ' +
    'ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory memory-reservation ' +
    'memory-swap memory-swappiness mount name network network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit ' +
    'platform privileged publish publish-all pull quiet read-only restart rm runtime security-opt shm-size sig-proxy stop-signal ' +
    'stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts volume volume-driver volumes-from workdir';

  it('Each flag of Docker is either there or refused by name', () => {
    const known = new Set([...RUN_FLAGS, ...UNSUPPORTED_CREATE_FLAGS].map(({ long }) => long));
    expect(docker.split(' ').filter((name) => !known.has(name))).to.deep.equal([]);
  });

  it('No flag of Docker is both', () => {
    const all = [...RUN_FLAGS, ...UNSUPPORTED_CREATE_FLAGS].flatMap(({ long, short }) => [
      long,
      short ?? '',
    ]);
    const names = all.filter((name) => name !== '');
    expect(new Set(names).size).to.equal(names.length);
  });

  it('Each flag arrives in the library as an option that it takes', () => {
    const given = options(
      ...[
        '--add-host',
        'a:1.2.3.4',
        '--blkio-weight',
        '100',
        '--cap-add',
        'SYS_TIME',
        '--cap-drop',
        'KILL',
      ],
      ...[
        '--cpu-shares',
        '512',
        '--cpu-period',
        '50000',
        '--cpu-quota',
        '25000',
        '--cpuset-cpus',
        '0',
        '--cpuset-mems',
        '0',
      ],
      ...[
        '--device',
        '/dev/null',
        '--device-read-bps',
        '/dev/sda:1m',
        '--device-write-iops',
        '/dev/sda:10',
        '--dns',
        '1.1.1.1',
      ],
      ...[
        '--dns-search',
        'a.b',
        '--dns-option',
        'x',
        '--domainname',
        'd',
        '--entrypoint',
        'sh',
        '-e',
        'A=1',
        '--group-add',
        '5',
      ],
      ...[
        '-h',
        'box',
        '--init',
        '-l',
        'a=b',
        '-m',
        '64m',
        '--memory-reservation',
        '32m',
        '--memory-swap',
        '-1',
      ],
      ...[
        '--memory-swappiness',
        '10',
        '--mount',
        'type=tmpfs,dst=/t',
        '--name',
        'web',
        '--network',
        'none',
      ],
      ...[
        '--oom-kill-disable',
        '--oom-score-adj',
        '-5',
        '--pids-limit',
        '10',
        '--read-only',
        '--security-opt',
        'no-new-privileges',
      ],
      ...[
        '--shm-size',
        '1m',
        '--storage-opt',
        'size=120G',
        '--sysctl',
        'kernel.sem=1',
        '--tmpfs',
        '/run',
        '--ulimit',
        'nofile=5',
        '-u',
        '1:2',
        '--userns',
        'auto',
      ],
      ...['-v', './src:/src:ro', '-w', '/src'],
    );
    const config = normalize(
      ['-c', 'true'],
      given,
      { env: [], cmd: [], entrypoint: [] },
      { cpus: '0', mems: '0' },
    );
    expect(config.args).to.deep.equal(['sh', '-c', 'true']);
    expect(config.resources).to.deep.include({
      memory: 2 ** 26,
      memorySwap: -1,
      cpuShares: 512,
      pidsLimit: 10,
    });
    expect(config.mounts.map(({ source, target }) => `${source ?? ''}:${target}`)).to.have.members([
      ':/t',
      ':/run',
      '/here/src:/src',
    ]);
    expect(config).to.deep.include({
      init: true,
      hostname: 'box',
      name: 'web',
      readOnly: true,
      layerSize: 120 * 2 ** 30,
      oomScoreAdj: -5,
      workdir: '/src',
    });
  });
});

describe('run: flags of the command itself', () => {
  it('The command has no init unless asked, as Docker', () => {
    expect(options().init).to.equal(false);
  });

  it('The command takes a directory in place of the image', () => {
    expect(run('--rootfs', './debian', 'sh')).to.deep.include({
      image: '/here/debian',
      rootfs: { writable: 'overlay' },
      argv: ['sh'],
    });
    expect(run('--rootfs', '--writable', 'none', '/d').rootfs).to.deep.equal({ writable: 'none' });
    expectError(
      () => run('--writable', 'none', 'host'),
      'ERR_CONFLICTING_OPTIONS',
      /needs --rootfs/,
    );
    expectError(
      () => run('--rootfs', '--writable', 'some', '/d'),
      'ERR_INVALID_OPTION',
      /writable: "some"/,
    );
    expectError(() => run(''), 'ERR_INVALID_OPTION', /image: "" is empty/);
  });

  it('The command attaches what was asked', () => {
    expect([...run('host').attach]).to.deep.equal(['stdout', 'stderr']);
    expect([...run('-i', 'host').attach]).to.deep.equal(['stdin', 'stdout', 'stderr']);
    expect([...run('-a', 'STDOUT', 'host').attach]).to.deep.equal(['stdout']);
    expectError(() => run('-a', 'stdlog', 'host'), 'ERR_INVALID_OPTION', /attach: "stdlog"/);
  });

  it('The command makes the cidfile before anything else, and never over another', () => {
    const dir = mkdtempSync(join(tmpdir(), 'caisson-'));
    try {
      const path = join(dir, 'cid');
      expect(run('--cidfile', 'cid', 'host').cidfile).to.equal('/here/cid');
      const file = new CidFile(path);
      file.write('abc');
      expect(readFileSync(path, 'utf8')).to.equal('abc');
      expectError(() => new CidFile(path), 'ERR_INVALID_OPTION', /cidfile: .*exists already/);
      new CidFile(join(dir, 'other')).remove();
      expectError(() => new CidFile(join(dir, 'no', 'such')), 'ERR_INVALID_OPTION', /ENOENT/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('The command reads env files first, and names from the caller', () => {
    const dir = mkdtempSync(join(tmpdir(), 'caisson-'));
    try {
      const path = join(dir, 'vars');
      writeFileSync(path, 'A=file\nKNOWN\nUNKNOWN\n');
      expect(
        options('-e', 'A=flag', '--env-file', path, '-e', 'KNOWN', '-e', 'UNKNOWN').env,
      ).to.deep.equal(['A=file', 'KNOWN=yes', 'A=flag', 'KNOWN=yes', 'UNKNOWN']);
      writeFileSync(path, Buffer.from([0x41, 0x3d, 0xff]));
      expectError(() => options('--env-file', path), 'ERR_INVALID_OPTION', /not UTF-8/);
      expectError(
        () => options('--env-file', join(dir, 'no')),
        'ERR_NO_SUCH_SOURCE',
        /env-file: .*does not exist/,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('A7: the command gives volumes the ids of the host, as Docker does, unless they say otherwise', () => {
    const { idmap } = options('-v', '/a:/b');
    expect(idmap).to.equal('host');
    expect(options('--mount', 'type=bind,src=/a,dst=/b').idmap).to.equal('host');
    expect(options().idmap).to.equal(undefined);
    const { mounts } = normalize(
      [],
      options('-v', '/a:/a:ro,idmap=owner', '--mount', 'type=bind,src=/b,dst=/b,idmap=nobody'),
      { env: [], cmd: ['sh'], entrypoint: [] },
      { cpus: '0', mems: '0' },
    );
    expect(mounts.map((mount) => mount.idmap)).to.deep.equal(['owner', 'nobody']);
  });

  it('The command resolves relative sources, but only those with a dot', () => {
    expect(options('-v', '.:/a', '-v', '../b:/b:ro', '-v', 'c:/c').volumes).to.deep.equal([
      '/here:/a',
      '/b:/b:ro',
      'c:/c',
    ]);
  });

  it('Errors of options have the names of flags', () => {
    const error = expectError(
      () =>
        normalize(
          ['x'],
          options('-m', '1x'),
          { env: [], cmd: [], entrypoint: [] },
          { cpus: '0', mems: '0' },
        ),
      'ERR_INVALID_OPTION',
      /^memory: /,
    );
    expect(errorText(error)).to.equal(
      'caisson: invalid --memory: "1x" is not a size\nhint: write bytes, or a number with b, k, m, g, t or p: 64m, 1.5g\n',
    );
  });
});

describe('--mount', () => {
  const parse = (text: string): unknown =>
    JSON.parse(JSON.stringify(parseMountFlag(text, '/here')));

  it('The flag --mount takes Docker’s fields', () => {
    expect(parse('type=bind,source=/a,target=/b')).to.deep.equal({
      type: 'bind',
      source: '/a',
      target: '/b',
    });
    expect(parse('type=bind,src=./a,dst=/b,readonly,bind-propagation=rslave')).to.deep.equal({
      type: 'bind',
      source: '/here/a',
      target: '/b',
      readOnly: true,
      bindPropagation: 'rslave',
    });
    expect(
      parse('type=bind,"src=/a,b",destination=/b,ro=false,bind-recursive=disabled'),
    ).to.deep.equal({
      type: 'bind',
      source: '/a,b',
      target: '/b',
      readOnly: false,
      bindRecursive: 'disabled',
    });
    expect(
      parse(
        'source=data,target=/b,volume-nocopy,volume-subpath=x/y,volume-label=a=1,volume-label=b',
      ),
    ).to.deep.equal({
      type: 'volume',
      source: 'data',
      target: '/b',
      volumeNoCopy: true,
      volumeSubpath: 'x/y',
      volumeLabels: ['a=1', 'b'],
    });
    expect(
      parse(
        'type=volume,dst=/b,volume-driver=local,volume-opt=type=tmpfs,"volume-opt=o=size=1m,mode=1777"',
      ),
    ).to.deep.equal({
      type: 'volume',
      target: '/b',
      volumeDriver: 'local',
      volumeOptions: { type: 'tmpfs', o: 'size=1m,mode=1777' },
    });
    expect(
      parse('type=bind,src=/a,dst=/b,ro,bind-recursive=writable,consistency=cached'),
    ).to.deep.equal({
      type: 'bind',
      source: '/a',
      target: '/b',
      readOnly: true,
      bindRecursive: 'writable',
    });
    expect(parse('type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777')).to.deep.equal({
      type: 'tmpfs',
      target: '/t',
      tmpfsSize: '1m',
      tmpfsMode: '1777',
    });
    for (const field of ['image-subpath', 'subpath'])
      expect(parse(`type=image,source=debian:12,target=/t,${field}=usr/bin,ro`)).to.deep.equal({
        type: 'image',
        source: 'debian:12',
        target: '/t',
        readOnly: true,
        imageSubpath: 'usr/bin',
      });
  });

  const refused: readonly (readonly [string, ErrorCode])[] = [
    ['', 'ERR_INVALID_OPTION'],
    ['type=bind,source=/a', 'ERR_INVALID_OPTION'],
    ['type=bind,target=/b', 'ERR_INVALID_OPTION'],
    ['type=bind,source=/a,target=/b,nope=1', 'ERR_INVALID_OPTION'],
    ['type=bind,source=/a,target=/b,nope', 'ERR_INVALID_OPTION'],
    ['type=bind,source=/a,target=/b,readonly=perhaps', 'ERR_INVALID_OPTION'],
    ['type=bind,source=/a,target=/b,tmpfs-size=1m', 'ERR_INVALID_OPTION'],
    ['type=tmpfs,source=/a,target=/b', 'ERR_INVALID_OPTION'],
    ['type=bind,"source=/a,target=/b', 'ERR_INVALID_OPTION'],
    ['type=bind,"source=/a"x,target=/b', 'ERR_INVALID_OPTION'],
    ['source=data,target=/b,bind-propagation=private', 'ERR_INVALID_OPTION'],
    ['type=bind,source=/a,target=/b,volume-nocopy', 'ERR_INVALID_OPTION'],
    ['type=image,target=/b', 'ERR_INVALID_OPTION'],
    ['type=image,source=debian,target=/b,readonly=false', 'ERR_UNSUPPORTED_OPTION'],
    ['type=tmpfs,target=/b,image-subpath=a', 'ERR_INVALID_OPTION'],
    ['type=npipe,source=a,target=/b', 'ERR_UNSUPPORTED_OPTION'],
    ['type=nfs,target=/b', 'ERR_UNSUPPORTED_OPTION'],
    ['type=bind,source=/a,target=/b,bind-recursive=perhaps', 'ERR_INVALID_OPTION'],
  ];
  for (const [text, code] of refused) {
    it(`The value is refused: ${text}`, () => {
      expectError(() => parse(text), code, /^mounts: /);
    });
  }
});

describe('run: flags of detached containers', () => {
  it('A detached container has defaults', () => {
    expect(run('host')).to.deep.include({
      detach: false,
      autoRemove: false,
      quiet: false,
      pull: 'missing',
      restart: { name: 'no', maximumRetryCount: 0 },
      log: { driver: 'json-file', maxSize: 10_485_760, maxFile: 3 },
    });
    expect(run('host')).to.not.have.any.keys('stopSignal', 'stopTimeout');
    expect([...run('host').detachKeys]).to.deep.equal([16, 17]);
  });

  it('A detached container has what the flags say', () => {
    const invocation = run('-dq', '--restart', 'on-failure:3', '--stop-signal', 'int', '--stop-timeout=-1', '--log-opt', 'max-size=1m', '--log-opt=max-file=2', '--pull=never', '--detach-keys', 'ctrl-x,q', 'host'); // prettier-ignore
    expect(invocation).to.deep.include({
      detach: true,
      quiet: true,
      pull: 'never',
      restart: { name: 'on-failure', maximumRetryCount: 3 },
      log: { driver: 'json-file', maxSize: 2 ** 20, maxFile: 2 },
      stopSignal: 2,
      stopTimeout: -1,
    });
    expect(invocation.options.stopSignal).to.equal('int');
    expect([...invocation.detachKeys]).to.deep.equal([24, 113]);
    expect(run('--log-driver', 'none', 'host').log.driver).to.equal('none');
    expect(run('--rm', '--restart=no', 'host').autoRemove).to.equal(true);
  });

  it('The command attaches nothing with -d', () => {
    const { attach, sigProxy, interactive } = run('-di', 'host');
    expect(attach.size).to.equal(0);
    expect(sigProxy).to.equal(false);
    expect(interactive).to.equal(true);
    expect(run('-d=false', 'host').attach.size).to.equal(2);
  });

  it('The command runs containers on this machine only', () => {
    const own = process.arch === 'x64' ? 'amd64' : process.arch;
    for (const platform of ['linux', own, `linux/${own}`, `Linux/${own}`, ''])
      expect(run('--platform', platform, 'host').options).to.not.have.property('platform');
  });

  it('The platform of an image and whether it is pulled are options', () => {
    const { options, pull } = run('--platform', 'arm64', '--pull=always', 'debian');
    expect(options.platform).to.equal('arm64');
    expect(pull).to.equal('always');
  });

  const wrong: readonly (readonly [readonly string[], ErrorCode, RegExp])[] = [
    [['--rm', '--restart=always'], 'ERR_CONFLICTING_OPTIONS', /both --restart and --rm/],
    [['-d', '-a', 'stdout'], 'ERR_CONFLICTING_OPTIONS', /both --attach and --detach/],
    [['--restart=sometimes'], 'ERR_INVALID_OPTION', /^restart: "sometimes"/],
    [['--restart=always:-1'], 'ERR_INVALID_OPTION', /is negative/],
    [['--log-driver=x'], 'ERR_INVALID_OPTION', /^log-driver: "x" is not a log driver/],
    [['--log-driver=syslog'], 'ERR_UNSUPPORTED_OPTION', /^log-driver: "syslog"/],
    [['--log-opt=max-size=x'], 'ERR_INVALID_OPTION', /^log-opt: "max-size=x"/],
    [['--log-opt=nope=1'], 'ERR_INVALID_OPTION', /^log-opt: "nope"/],
    [['--stop-signal=NOPE'], 'ERR_INVALID_OPTION', /^stopSignal: "NOPE" is not a signal/],
    [
      ['--stop-timeout=soon'],
      'ERR_INVALID_OPTION',
      /"soon" for "--stop-timeout" flag: not a whole number/,
    ],
    [['--stop-timeout=-2'], 'ERR_INVALID_OPTION', /^stop-timeout: .*out of range/],
    [['--detach-keys=ctrl-pp'], 'ERR_INVALID_OPTION', /^detach-keys: .*"ctrl-pp"/],
    [['--pull=maybe'], 'ERR_INVALID_OPTION', /^pull: "maybe"/],
    [
      ['--platform=linux/s390x'],
      'ERR_UNSUPPORTED_OPTION',
      /^platform: .*not this machine.s platform/,
    ],
    [['--platform=windows'], 'ERR_UNSUPPORTED_OPTION', /^platform: /],
    [['--label-file=/nowhere/at/all'], 'ERR_NO_SUCH_SOURCE', /^label-file: .*does not exist/],
  ];
  for (const [flags, code, text] of wrong) {
    it(`The flags are refused: ${flags.join(' ')}`, () => {
      expectError(() => run(...flags, 'host'), code, text);
    });
  }

  it('An error about a flag names it', () => {
    const said = (...flags: readonly string[]): string =>
      errorText(expectError(() => run(...flags, 'host'), 'ERR_INVALID_OPTION', /./));
    expect(said('--log-opt=max-size=x')).to.match(/^caisson: invalid --log-opt: "max-size=x" does/);
    expect(said('--stop-signal=NOPE')).to.match(/^caisson: invalid --stop-signal: "NOPE"/);
    expect(said('--restart=x')).to.match(/^caisson: invalid --restart: "x"/);
  });
});

describe('run: labels from files', () => {
  let dir: string;
  before(() => (dir = mkdtempSync(join(tmpdir(), 'caisson-labels-'))));
  after(() => rmSync(dir, { recursive: true }));

  it('Labels from files come before those of flags', () => {
    writeFileSync(join(dir, 'a'), '# comment\n\ncom.x=1\nalone\n  spaced=a b \n');
    writeFileSync(join(dir, 'b'), 'com.x=2\r\n');
    const invocation = parseRun('run', ['-l', 'com.x=3', '--label-file', 'a', '--label-file', join(dir, 'b'), 'host'], { env: {}, cwd: dir }); // prettier-ignore
    expect(invocation.options.labels).to.deep.equal([
      'com.x=1',
      'alone=',
      'spaced=a b ',
      'com.x=2',
      'com.x=3',
    ]);
  });

  it('Labels from files are refused by file and line', () => {
    writeFileSync(join(dir, 'c'), 'a=1\nb c=2\n');
    const error = expectError(
      () => parseRun('run', ['--label-file', join(dir, 'c'), 'host'], CONTEXT),
      'ERR_INVALID_OPTION',
      /^label-file: .*line 2: the variable name "b c"/,
    );
    expect(error.path).to.equal(join(dir, 'c'));
  });
});

describe('create', () => {
  it('The command create is run without what only a running container has', () => {
    const invocation = parseRun('create', ['-it', '--name', 'x', '--restart=always', 'host', 'ls', '-d'], CONTEXT); // prettier-ignore
    expect(invocation).to.deep.include({ tty: true, interactive: true, argv: ['ls', '-d'] });
    expect(invocation.restart.name).to.equal('always');
    expect(invocation.options.name).to.equal('x');
    for (const flag of ['-d', '--detach-keys=a', '--sig-proxy', '--trace']) {
      const error = expectError(() => parseRun('create', [flag, 'host'], CONTEXT), 'ERR_INVALID_OPTION', /^unknown /); // prettier-ignore
      expect((error as UsageError).command).to.equal('create');
    }
    const missing = expectError(() => parseRun('create', [], CONTEXT), 'ERR_INVALID_OPTION', /^"caisson create" requires at least 1 argument/); // prettier-ignore
    expect((missing as UsageError).status).to.equal(1);
    expect(() => parseRun('create', ['--help'], CONTEXT)).to.throw(HelpRequest);
  });
});
