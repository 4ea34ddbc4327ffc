/** What the types of the public interface promise. The compiler checks this file; it is not run. */
import {
  CaissonError,
  Engine,
  rootfs,
  type Container,
  type ContainerExit,
  type ContainerInfo,
  type ContainerStatus,
  type EngineEvent,
  type ErrorCode,
  type Execution,
  type ImageInfo,
  type LoadedImage,
  type MachineInfo,
  type NetworkInfo,
  type RootfsImage,
  type RunOptions,
  type RunResult,
  type VolumeInfo,
} from 'caisson';
import type { Readable, Writable } from 'node:stream';
import type { TestContext as NodeTestContext } from 'node:test';
import { type Pty, spawn } from 'caisson/pty';
import { container, type TestContext } from 'caisson/test';

/** True for the same types only: `any` equals nothing else. */
type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Does not compile unless the types are equal. */
declare function same<A, B>(..._equal: Equal<A, B> extends true ? [] : [never]): void;

export async function engines(): Promise<void> {
  same<ReturnType<typeof Engine.open>, Promise<Engine>>();
  await Engine.open({ dataRoot: '/var/lib/x' });
  // @ts-expect-error: an engine is opened, and not constructed.
  new Engine();
  // @ts-expect-error: options that do not exist are refused.
  await Engine.open({ dataRott: '/var/lib/x' });
  same<ReturnType<Engine['info']>, Promise<MachineInfo>>();
}

export async function runs(engine: Engine): Promise<void> {
  const execution = engine.run('host', ['true'], { memory: '64m', cpus: 0.5 });
  same<typeof execution, Execution>();
  same<Awaited<typeof execution>, RunResult>();
  same<typeof execution.stdin, Writable | undefined>();
  same<typeof execution.stdout, Readable | undefined>();
  same<RunResult['exitCode'], number>();
  same<RunResult['signal'], string | undefined>();
  same<RunResult['stdout'], string>();
  engine.run(rootfs('/srv/root'), ['true'], {
    tty: { cols: 80, rows: 24 },
    signal: new AbortController().signal,
  });
  // @ts-expect-error: an image has to be named.
  engine.run(undefined, ['true']);
  // @ts-expect-error: the command is a list, not a line.
  engine.run('host', 'true');
  // @ts-expect-error: options that do not exist are refused.
  engine.run('host', ['true'], { memry: '64m' });
  // @ts-expect-error: a stream has one of four kinds.
  engine.run('host', ['true'], { stdin: 'piped' });
  // @ts-expect-error: what has ended is not changed.
  (await execution).exitCode = 0;
}

export async function containers(engine: Engine): Promise<void> {
  const container = await engine.create('host', ['sleep', 'inf'], {
    name: 'web',
    restart: 'always',
  });
  same<typeof container, Container>();
  same<ReturnType<typeof container.exec>, Execution>();
  same<Awaited<ReturnType<typeof container.wait>>, ContainerExit>();
  same<Awaited<ReturnType<typeof container.inspect>>, ContainerInfo>();
  same<Awaited<ReturnType<typeof engine.list>>, ContainerInfo[]>();
  const status: ContainerStatus = 'running';
  // @ts-expect-error: there are no other states.
  const other: ContainerStatus = 'asleep';
  // @ts-expect-error: a time limit is for programs that the caller waits for.
  await engine.create('host', ['true'], { timeout: 1000 });
  // @ts-expect-error: an identifier stays.
  container.id = `${status}${other}`;
}

/** Options can be put together from parts that may be undefined, with `exactOptionalPropertyTypes` as well. */
export function together(memory: string | undefined): RunOptions {
  return {
    memory,
    env: { HOME: '/', UNSET: undefined },
    labels: ['a=b'],
    sysctls: { 'net.core.somaxconn': 1 },
  };
}

export function errors(error: unknown): ErrorCode | undefined {
  if (!(error instanceof CaissonError)) return undefined;
  same<typeof error.code, ErrorCode>();
  same<typeof error.message, string>();
  // @ts-expect-error: no error has such a code.
  if (error.code === 'ERR_UNHEARD_OF') return undefined;
  return error.code;
}

export function images(): RootfsImage {
  // @ts-expect-error: a directory has to be named.
  rootfs();
  return rootfs('/srv/root', { writable: 'none' });
}

export async function volumes(engine: Engine): Promise<void> {
  const volume = await engine.volumes.create('data', {
    labels: ['a=b'],
    driverOptions: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' },
  });
  same<typeof volume, VolumeInfo>();
  same<Awaited<ReturnType<typeof engine.volumes.list>>, VolumeInfo[]>();
  same<Awaited<ReturnType<typeof engine.volumes.inspect>>, VolumeInfo>();
  const users: readonly string[] = volume.containers;
  await engine.volumes.remove(users[0] ?? volume.name);
  same<Awaited<ReturnType<typeof engine.volumes.prune>>['removed'], readonly string[]>();
  // Without a name it is anonymous.
  await engine.volumes.create();
  // @ts-expect-error: there is one driver.
  await engine.volumes.create('data', { driver: 'nfs' });
  engine.run('host', ['true'], {
    volumes: ['data:/data:ro', '/cache'],
    mounts: [{ type: 'volume', source: 'data', target: '/more', volumeNoCopy: true }],
    volumesFrom: ['web:ro'],
  });
  // @ts-expect-error: a bind has a source.
  engine.run('host', ['true'], { mounts: [{ type: 'bind', target: '/more' }] });
}

export async function networks(engine: Engine): Promise<void> {
  const network = await engine.networks.create('web', {
    subnets: [{ subnet: '10.1.0.0/16', gateway: '10.1.0.1' }],
    labels: { a: 'b' },
  });
  same<typeof network, NetworkInfo>();
  same<Awaited<ReturnType<typeof engine.networks.list>>, NetworkInfo[]>();
  const text: string | undefined = network.ipv4?.subnet;
  await engine.networks.remove(text ?? network.id);
  // @ts-expect-error: options that do not exist are refused.
  await engine.networks.create('web', { subnet: '10.1.0.0/16' });
  // @ts-expect-error: there is one driver.
  await engine.networks.create('web', { driver: 'macvlan' });
  same<ReturnType<Engine['events']>, AsyncGenerator<EngineEvent>>();
  same<EngineEvent['type'], 'container' | 'network' | 'volume' | 'image'>();
}

export async function storedImages(engine: Engine): Promise<void> {
  same<Awaited<ReturnType<typeof engine.images.list>>, ImageInfo[]>();
  same<Awaited<ReturnType<typeof engine.images.load>>, LoadedImage[]>();
  same<Awaited<ReturnType<typeof engine.build>>, ImageInfo>();
  const { id, config } = await engine.images.inspect('debian:12');
  await engine.images.tag(id, config.labels['name'] ?? 'copy');
  same<ReturnType<typeof engine.images.save>, AsyncGenerator<Uint8Array>>();
  // @ts-expect-error: options that do not exist are refused.
  await engine.images.remove(id, { noPrune: true });
}

export async function testFixture(given: NodeTestContext): Promise<void> {
  const context: TestContext = given;
  same<Awaited<ReturnType<typeof container>>, Container>();
  await container(context, 'debian:12', { command: ['cat'], memory: '64m' });
  // @ts-expect-error: it is always removed.
  await container(context, 'debian:12', { autoRemove: false });
}

export async function terminals(): Promise<void> {
  const shell = await spawn('sh', ['-l'], { cols: 100, env: { TERM: 'dumb', HOME: undefined } });
  same<typeof shell, Pty>();
  same<Awaited<typeof shell.exited>['exitCode'], number | null>();
  // @ts-expect-error: both are needed.
  shell.resize(80);
}
