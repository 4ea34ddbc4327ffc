import { expect } from 'chai';
import { inspectShape } from '../../../lib/docker/inspect-shape.js';
import {
  PS_HEADINGS,
  PS_TABLE,
  PS_TABLE_WITH_SIZE,
  psShape,
} from '../../../lib/docker/ps-shape.js';
import { listFormat } from '../../../lib/cli/format/table.js';
import { TemplateError } from '../../../lib/cli/template/error.js';
import { parseTemplate } from '../../../lib/cli/template/go-template.js';
import type {
  ContainerStatus,
  HealthStatus,
  StoredState,
} from '../../../lib/engine/store/stored.js';
import { containerInfo, type InfoParts } from '../support/container-info.js';

const NOW = new Date('2026-03-01T12:00:00Z');

function status(kind: ContainerStatus, state: Partial<StoredState>): string {
  return psShape(containerInfo({ status: kind, state }), NOW).Status;
}

describe('the columns of ps', () => {
  it('The columns have Docker’s texts for each status', () => {
    expect(status('running', { startedAt: '2026-03-01T11:59:55.123456789Z' })).to.equal(
      'Up 4 seconds',
    );
    expect(status('paused', { startedAt: '2026-03-01T10:00:00Z' })).to.equal('Up 2 hours (Paused)');
    expect(
      status('exited', { exitCode: 137, finishedAt: '2026-03-01T11:57:00.000000000Z' }),
    ).to.equal('Exited (137) 3 minutes ago');
    expect(status('restarting', { exitCode: 1, finishedAt: '2026-03-01T11:59:58Z' })).to.equal(
      'Restarting (1) 2 seconds ago',
    );
    expect(status('created', { startedAt: '', exitCode: 127 })).to.equal('Created');
    expect(status('dead', {})).to.equal('Dead');
    expect(status('removing', {})).to.equal('Removal In Progress');
  });

  it('The columns say how a container that runs is', () => {
    const text = (health: HealthStatus, kind: ContainerStatus = 'running') =>
      psShape(
        containerInfo({
          status: kind,
          state: { startedAt: '2026-03-01T11:59:55Z', finishedAt: '2026-03-01T11:59:55Z' },
          health: { status: health, failingStreak: 0, log: [] },
        }),
        NOW,
      ).Status;
    expect(text('starting')).to.equal('Up 5 seconds (health: starting)');
    expect(text('healthy')).to.equal('Up 5 seconds (healthy)');
    expect(text('unhealthy')).to.equal('Up 5 seconds (unhealthy)');
    expect(text('healthy', 'paused')).to.equal('Up 5 seconds (Paused)');
    expect(text('unhealthy', 'exited')).to.equal('Exited (0) 5 seconds ago');
  });

  it('The columns are cut unless asked otherwise', () => {
    const info = containerInfo({
      config: { command: ['sh', '-c', 'sleep 1000 and more', '"x"'] },
      options: {
        volumes: ['/a/very/long/path/of/theirs:/x', '/b:/y:ro'],
        mounts: [
          { type: 'bind', source: '/c', target: '/z' },
          { type: 'tmpfs', target: '/t' },
        ],
      },
    });
    expect(psShape(info, NOW)).to.deep.include({
      ID: 'a1b2c3d4e5f6',
      Command: `"sh -c 'sleep 1000 a…"`,
      Mounts: '/a/very/long/p…,/b,/c',
    });
    expect(psShape(info, NOW, { noTrunc: true })).to.deep.include({
      ID: 'a1b2c3d4e5f6'.padEnd(64, '0'),
      Command: `"sh -c 'sleep 1000 and more' \\"x\\""`,
      Mounts: '/a/very/long/path/of/theirs,/b,/c',
    });
  });

  it('The columns have the ports, sizes and mounts', () => {
    const info = containerInfo({
      config: { image: { kind: 'rootfs', path: '/srv/debian', writable: 'none' } },
      options: { labels: ['a=1', 'b'], network: 'host' },
    });
    const row = psShape(info, NOW, { size: { writable: 1093, root: 7_000_000 } });
    expect(row).to.deep.include({
      Image: '/srv/debian',
      Labels: 'a=1,b=',
      LocalVolumes: '0',
      Names: 'brave_brunel',
      Networks: 'host',
      Ports: '',
      RunningFor: '2 hours ago',
      Size: '1.09kB (virtual 7MB)',
      State: 'running',
    });
    expect(row.Label('a')).to.equal('1');
    expect(row.Label('toString')).to.equal('');
    expect(psShape(info, NOW, { size: { writable: 0 } }).Size).to.equal('0B');
  });

  it('The columns have the time in the caller’s zone', () => {
    const row = psShape(containerInfo(), NOW);
    expect(row.CreatedAt).to.match(/^2026-0[23]-\d\d \d\d:\d\d:00 [+-]\d{4} (?:UTC|[+-]\d{4})$/);
    const [day, time, zone] = row.CreatedAt.split(' ');
    expect(Date.parse(`${day}T${time}${zone}`)).to.equal(Date.parse('2026-03-01T10:00:00Z'));
  });

  it('The columns are Docker’s table', () => {
    const rows = [
      psShape(containerInfo(), NOW),
      psShape(
        containerInfo({
          config: { id: 'b2'.repeat(32), name: 'x', created: '2026-03-01T11:58:55Z', image: { kind: 'name', name: 'alpine:3.20' }, command: ['true'] },
          status: 'exited',
          state: { exitCode: 0, finishedAt: '2026-03-01T11:59:57Z' },
        }),
        NOW,
      ),
    ]; // prettier-ignore
    expect(listFormat(undefined, PS_TABLE, PS_HEADINGS).render(rows)).to.equal(
      'CONTAINER ID   IMAGE         COMMAND   CREATED              STATUS                     PORTS     NAMES\n' +
        'a1b2c3d4e5f6   host          "sh"      2 hours ago          Up 2 hours                           brave_brunel\n' +
        'b2b2b2b2b2b2   alpine:3.20   "true"    About a minute ago   Exited (0) 3 seconds ago             x\n',
    );
    expect(listFormat(undefined, PS_TABLE_WITH_SIZE, PS_HEADINGS).render([])).to.equal(
      'CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES     SIZE\n',
    );
  });

  it('The columns have headings', () => {
    const format = 'table {{.Label "com.x.some-name"}}\t{{.Names}}\t{{.CreatedAt}}';
    expect(listFormat(format, PS_TABLE, PS_HEADINGS).render([])).to.equal(
      'some name   NAMES     CREATED AT\n',
    );
    const row = psShape(containerInfo(), NOW);
    expect(Object.keys(PS_HEADINGS).sort()).to.deep.equal(Object.keys(row).sort());
    for (const name of Object.keys(row).filter((key) => key !== 'Label'))
      expect(parseTemplate(`{{.${name}}}`).execute(row)).to.equal(row[name as keyof typeof row]);
    expect(() => parseTemplate('{{.Nope}}').execute(row)).to.throw(
      TemplateError,
      "can't evaluate field Nope in type Container",
    );
  });

  it('The columns can be JSON', () => {
    const row = psShape(containerInfo(), NOW);
    const text = listFormat('json', PS_TABLE, PS_HEADINGS).render([row]);
    const keys = Object.keys(JSON.parse(text) as object);
    expect(keys).to.deep.equal([...keys].sort());
    expect(keys).to.include.members(['ID', 'CreatedAt', 'Status']).and.not.include('Label');
  });
});

interface Shape {
  readonly [name: string]: unknown;
  readonly State: Readonly<Record<string, unknown>>;
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: Readonly<Record<string, unknown>>;
}

function shape(parts: InfoParts = {}, extra = {}): Shape {
  return inspectShape(containerInfo(parts), extra) as Shape;
}

describe('inspect', () => {
  it('The command inspect has what Docker has of a plain container', () => {
    const { State, Config, HostConfig, ...rest } = shape();
    expect(rest).to.deep.include({
      Id: 'a1b2c3d4e5f6'.padEnd(64, '0'),
      Created: '2026-03-01T10:00:00.000Z',
      Path: 'sh',
      Args: [],
      Image: 'host',
      Name: '/brave_brunel',
      RestartCount: 0,
      Platform: 'linux',
      Mounts: [],
      ExecIDs: null,
    });
    expect(State).to.deep.equal({
      Status: 'running',
      Running: true,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      Pid: 4242,
      ExitCode: 0,
      Error: '',
      StartedAt: '2026-03-01T10:00:01.000000000Z',
      FinishedAt: '0001-01-01T00:00:00Z',
    });
    expect(Config).to.deep.equal({
      Hostname: 'a1b2c3d4e5f6',
      Domainname: '',
      User: '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: ['sh'],
      Image: 'host',
      Volumes: null,
      WorkingDir: '',
      Entrypoint: null,
      OnBuild: null,
      Labels: {},
    });
    expect(HostConfig).to.deep.include({
      Binds: null,
      NetworkMode: 'none',
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      LogConfig: { Type: 'json-file', Config: { 'max-file': '3', 'max-size': '10485760' } },
      AutoRemove: false,
      Memory: 0,
      MemorySwap: 0,
      MemorySwappiness: null,
      NanoCpus: 0,
      PidsLimit: null,
      ShmSize: 67108864,
      Ulimits: [],
      UsernsMode: '',
      Privileged: false,
    });
    expect(HostConfig).to.not.have.any.keys('Tmpfs', 'Sysctls', 'Mounts', 'Init');
  });

  it('The command inspect has what was asked, in numbers', () => {
    const { Args, Mounts, Config, HostConfig } = shape(
      {
        config: {
          command: ['/init', 'sh', '-c', 'x'],
          argv: ['-c', 'x'],
          restart: { name: 'on-failure', maximumRetryCount: 3 },
          autoRemove: true,
          log: { driver: 'none', maxSize: 0, maxFile: 0 },
          openStdin: true,
          stdinOnce: true,
          stopTimeout: -1,
        },
        options: {
          entrypoint: ['/init', 'sh'],
          memory: '64m',
          memoryReservation: '32m',
          memorySwap: '-1',
          memorySwappiness: '10',
          cpus: '0.5',
          cpuShares: '512',
          cpuPeriod: '5000',
          cpuQuota: '2500',
          cpusetCpus: '0-1',
          pidsLimit: '100',
          blkioWeight: '300',
          oomScoreAdj: '-5',
          oomKillDisable: true,
          deviceReadBps: ['/dev/sda:1m'],
          deviceWriteIops: [{ path: '/dev/sda', rate: 5 }],
          ulimits: ['nofile=1024:2048', 'core=-1'],
          shmSize: '1g',
          tmpfs: ['/run:size=1m', '/tmp'],
          sysctls: { 'kernel.msgmax': 5 },
          devices: ['/dev/fuse:/dev/x:r'],
          volumes: ['/srv:/data:ro', '/home:/home'],
          mounts: [
            { type: 'bind', source: '/etc', target: '/conf', readOnly: true, bindPropagation: 'rslave' },
            { type: 'tmpfs', target: '/scratch', tmpfsSize: '2m', tmpfsMode: '1777' },
            { type: 'image', source: 'debian:12', target: '/tools', imageSubpath: 'usr' },
          ],
          env: { A: '1', PATH: undefined },
          labels: ['a=1', 'b'],
          user: 'nobody',
          workdir: '/w',
          hostname: 'box',
          tty: true,
          init: true,
          userns: 'host',
          capAdd: ['cap_sys_time', 'NET_ADMIN'],
          stopSignal: 'INT',
          groupAdd: [5, 'x'],
          addHost: ['a:1.2.3.4'],
          securityOpt: ['no-new-privileges'],
          storageOpt: ['size=10g'],
          readOnly: true,
          network: 'host',
        },
      },
      { image: { env: ['B=2', 'A=0'] }, logPath: '/log' },
    ); // prettier-ignore
    expect(Args).to.deep.equal(['sh', '-c', 'x']);
    expect(HostConfig).to.deep.include({
      Memory: 67108864,
      MemoryReservation: 33554432,
      MemorySwap: -1,
      MemorySwappiness: 10,
      NanoCpus: 500_000_000,
      CpuShares: 512,
      CpuPeriod: 5000,
      CpuQuota: 2500,
      CpusetCpus: '0-1',
      PidsLimit: 100,
      BlkioWeight: 300,
      BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1048576 }],
      BlkioDeviceWriteIOps: [{ Path: '/dev/sda', Rate: 5 }],
      OomScoreAdj: -5,
      OomKillDisable: true,
      Ulimits: [
        { Name: 'nofile', Hard: 2048, Soft: 1024 },
        { Name: 'core', Hard: -1, Soft: -1 },
      ],
      ShmSize: 2 ** 30,
      Tmpfs: { '/run': 'size=1m', '/tmp': '' },
      Sysctls: { 'kernel.msgmax': '5' },
      Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/x', CgroupPermissions: 'r' }],
      Binds: ['/srv:/data:ro', '/home:/home'],
      Mounts: [
        {
          Type: 'bind',
          Source: '/etc',
          Target: '/conf',
          ReadOnly: true,
          BindOptions: { Propagation: 'rslave' },
        },
        { Type: 'tmpfs', Target: '/scratch', TmpfsOptions: { SizeBytes: 2097152, Mode: 0o1777 } },
        { Type: 'image', Source: 'debian:12', Target: '/tools', ImageOptions: { Subpath: 'usr' } },
      ],
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      LogConfig: { Type: 'none', Config: {} },
      AutoRemove: true,
      UsernsMode: 'host',
      CapAdd: ['CAP_NET_ADMIN', 'CAP_SYS_TIME'],
      GroupAdd: ['5', 'x'],
      ExtraHosts: ['a:1.2.3.4'],
      SecurityOpt: ['no-new-privileges'],
      StorageOpt: { size: '10g' },
      ReadonlyRootfs: true,
      Init: true,
      NetworkMode: 'host',
    });
    expect(Mounts).to.have.deep.members([
      { Type: 'image', Source: 'debian:12', Destination: '/tools', Mode: '', RW: false, Propagation: '' },
      { Type: 'bind', Source: '/srv', Destination: '/data', Mode: 'ro', RW: false, Propagation: 'rprivate' },
      { Type: 'bind', Source: '/home', Destination: '/home', Mode: '', RW: true, Propagation: 'rprivate' },
      { Type: 'bind', Source: '/etc', Destination: '/conf', Mode: '', RW: false, Propagation: 'rslave' },
      { Type: 'tmpfs', Source: '', Destination: '/scratch', Mode: '', RW: true, Propagation: '' },
    ]); // prettier-ignore
    expect(Config).to.deep.include({
      Hostname: 'box',
      User: 'nobody',
      WorkingDir: '/w',
      Tty: true,
      OpenStdin: true,
      StdinOnce: true,
      Env: ['A=1', 'B=2'],
      Cmd: ['-c', 'x'],
      Entrypoint: ['/init', 'sh'],
      Labels: { a: '1', b: '' },
      StopSignal: 'INT',
      StopTimeout: -1,
    });
  });

  it('The command inspect has the volumes of the image where others are mounted, too', () => {
    const { Config } = inspectShape(containerInfo(), { image: { volumes: ['/vol'] } }) as {
      Config: object;
    };
    expect(Config).to.deep.include({ Volumes: { '/vol': {} } });
  });

  it('The command inspect names the AppArmor profile that was asked for last', () => {
    const profile = (securityOpt?: readonly string[]) =>
      inspectShape(containerInfo({ options: { securityOpt } })) as { AppArmorProfile: string };
    expect(profile(['apparmor=a', 'no-new-privileges', 'apparmor:b c']).AppArmorProfile).to.equal(
      'b c',
    );
    expect(profile(['no-new-privileges']).AppArmorProfile).to.equal('');
    expect(profile().AppArmorProfile).to.equal('');
  });

  it('The command inspect has the states', () => {
    const parts = { state: { startedAt: '', pid: 0 }, status: 'created' } as const;
    expect(shape(parts).State).to.deep.include({
      Status: 'created',
      Running: false,
      StartedAt: '0001-01-01T00:00:00Z',
    });
    expect(shape({ status: 'paused' }).State).to.deep.include({ Running: true, Paused: true });
    expect(shape({ status: 'restarting' }).State).to.deep.include({
      Running: true,
      Restarting: true,
    });
    expect(shape({ status: 'exited' }).State).to.deep.include({ Running: false, Dead: false });
  });

  it('The command inspect has the health', () => {
    const plain = shape();
    expect(Object.keys(plain.State)).not.to.include('Health');
    expect(Object.keys(plain.Config)).not.to.include('Healthcheck');
    const [start, end] = ['2026-03-01T11:59:55.000000001Z', '2026-03-01T11:59:56.000000001Z'];
    const unsaid = { timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };
    const { State, Config } = shape({
      config: { healthcheck: { test: 'x y', interval: 1500, ...unsaid } },
      health: {
        status: 'starting',
        failingStreak: 2,
        log: [{ start, end, exitCode: 1, output: 'no' }],
      },
    });
    expect(State['Health']).to.deep.equal({
      Status: 'starting',
      FailingStreak: 2,
      Log: [{ Start: start, End: end, ExitCode: 1, Output: 'no' }],
    });
    expect(Config['Healthcheck']).to.deep.equal({
      Test: ['CMD-SHELL', 'x y'],
      Interval: 1_500_000_000,
    });
    const said = { interval: 1, timeout: 2, startPeriod: 3, startInterval: 4, retries: 5 };
    expect(
      shape({ config: { healthcheck: { test: ['x', 'y'], ...said } } }).Config['Healthcheck'],
    ).to.deep.equal({
      Test: ['CMD', 'x', 'y'],
      Interval: 1e6,
      Timeout: 2e6,
      StartPeriod: 3e6,
      StartInterval: 4e6,
      Retries: 5,
    });
  });

  it('The command inspect has what the engine adds', () => {
    expect(
      shape({ options: { memory: '64m' } }, { swapLimit: true, logPath: '/l', upperDir: '/u', workDir: '/w', imageId: 'sha256:1', execIds: ['e'], sizeRw: 5 }),
    ).to.deep.include({
      Image: 'sha256:1',
      LogPath: '/l',
      ExecIDs: ['e'],
      SizeRw: 5,
      GraphDriver: { Data: { UpperDir: '/u', WorkDir: '/w' }, Name: 'overlay' },
    }); // prettier-ignore
    expect(shape({ options: { memory: '64m' } }, { swapLimit: true }).HostConfig['MemorySwap']).to.equal(2 ** 27); // prettier-ignore
  });

  it('The command inspect answers templates as Docker does', () => {
    const container = inspectShape(containerInfo({ options: { labels: { 'com.x': 'y' } } }));
    const render = (text: string): string =>
      parseTemplate(text).execute(container, { missingKey: 'error' });
    expect(render('{{.State.Status}} {{.Name}}')).to.equal('running /brave_brunel');
    expect(render('{{index .Config.Labels "com.x"}}{{index .Config.Labels "z"}}')).to.equal('y');
    expect(render('{{.Config.Labels.z}}')).to.equal('<no value>');
    expect(render('{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}')).to.equal('none');
    expect(() => render('{{.Nope}}')).to.throw(TemplateError, /can't evaluate field Nope/);
    // In the order of Docker's structs, which people compare texts of.
    expect(render('{{json .HostConfig.RestartPolicy}}')).to.match(
      /^\{"Name":"[a-z-]+","MaximumRetryCount":\d+\}$/,
    );
    expect(() => render('{{.State.Nope}}')).to.throw(TemplateError, /can't evaluate field Nope/);
    expect(JSON.parse(render('{{json .State}}'))).to.include({ Pid: 4242 });
  });
});
