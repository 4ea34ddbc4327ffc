/** Containers that outlive their caller, as tests make them: all that were made are removed at the end. */
import { rejectionOf } from './rejection.js';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AttachOptions } from '../../lib/engine/options/attach-options.js';
import type { Attached } from '../../lib/engine/supervisor/attached.js';
import type { Container } from '../../lib/engine/container/container.js';
import type { CreateOptions } from '../../lib/engine/options/create-options.js';
import { contextOf, type Engine } from '../../lib/engine/engine.js';
import { isAlive } from '../../lib/host/owner.js';
import type { ContainerEvent, ContainerStatus } from '../../lib/engine/store/stored.js';
import { CaissonError, type ErrorCode } from '../../lib/base/errors.js';
import type { RootfsImage } from '../../lib/image/rootfs.js';
import { eventually, exists, supervisorsOf, processesOf, tracesOf } from './outside.js';
import { slowness } from './slowness.js';
import { Workshop } from './workshop.js';

export const sh = (command: string): string[] => ['sh', '-c', command];

export class DetachedContainers {
  private readonly made = new Set<string>();

  constructor(
    readonly engine: Engine,
    readonly image: RootfsImage,
    /** Where the engine's data and run directories are. */
    readonly directory: string,
  ) {}

  async create(
    argv: string | readonly string[],
    options: CreateOptions = {},
    image: string | RootfsImage = this.image,
  ): Promise<Container> {
    const command = typeof argv === 'string' ? sh(argv) : argv;
    const container = await this.engine.create(image, command, options);
    this.made.add(container.id);
    return container;
  }

  async start(
    argv: string | readonly string[],
    options: CreateOptions = {},
    image?: string | RootfsImage,
  ): Promise<Container> {
    const container = await this.create(argv, options, image);
    await container.start();
    return container;
  }

  /** One that was made elsewhere. */
  adopt(container: Container): Container {
    this.made.add(container.id);
    return container;
  }

  /** In a record, because a client is a promise of its end. */
  async startAttached(
    argv: string | readonly string[],
    options: CreateOptions = {},
    attach: AttachOptions = {},
  ): Promise<{ container: Container; client: Attached }> {
    const container = await this.create(argv, options);
    return { container, client: container.startAttached(attach) };
  }

  /** The container's directory on the disk. */
  path(container: Container, ...names: string[]): string {
    return join(this.directory, 'data/containers', container.id, ...names);
  }

  async stateFile(container: Container): Promise<Record<string, unknown>> {
    const text = await readFile(this.path(container, 'state.json'), 'utf8');
    return JSON.parse(text) as Record<string, unknown>;
  }

  /** What has been told of it, oldest first. */
  async events(container: Container): Promise<ContainerEvent[]> {
    const text = await readFile(join(this.directory, 'run/events'), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as ContainerEvent)
      .filter(({ id }) => id === container.id);
  }

  async actions(container: Container): Promise<string[]> {
    return (await this.events(container)).map(({ action }) => action);
  }

  /** Nothing but its directory is there: of one that has run, and does not. */
  async expectQuiet(container: Container): Promise<void> {
    await this.expectQuietButSocket(container);
    await eventually(async () => expect(await this.hasSocket(container)).to.equal(false));
  }

  /** Of one whose supervisor was killed: its socket is replaced by the next one's. */
  async expectQuietButSocket(container: Container): Promise<void> {
    await eventually(async () => {
      const traces = (await tracesOf(container.id, join(this.directory, 'data'))).filter(
        (trace) => trace !== this.path(container),
      );
      expect(traces, 'traces').to.deep.equal([]);
      expect(await processesOf(container.id), 'processes').to.deep.equal([]);
      expect(supervisorsOf(container.id), 'supervisors').to.deep.equal([]);
    });
  }

  /** Nothing at all is there. */
  async expectGone(container: Container): Promise<void> {
    await this.expectQuiet(container);
    expect(await exists(this.path(container)), 'directory').to.equal(false);
    const names = await readdir(join(this.directory, 'data/names'));
    const targets = await Promise.all(
      names.map((name) => contextOf(this.engine).store.named(name)),
    );
    expect(targets, 'names').not.to.include(container.id);
  }

  hasSocket(container: Container): Promise<boolean> {
    return exists(join(this.directory, 'run/supervisors', container.id));
  }

  private async remove(id: string): Promise<void> {
    try {
      await (await this.engine.get(id)).remove({ force: true });
    } catch (error) {
      const code = error instanceof CaissonError ? error.code : undefined;
      if (code !== 'ERR_NO_SUCH_CONTAINER') throw error;
    }
  }

  /** Removes what was made, however the test went. */
  async cleanUp(): Promise<void> {
    const failures: unknown[] = [];
    for (const id of this.made) {
      try {
        await this.remove(id);
      } catch (error) {
        failures.push(error);
        // No other process would end it any more.
        for (const pid of supervisorsOf(id)) process.kill(pid, 'SIGKILL');
        await this.remove(id).catch((again: unknown) => failures.push(again));
      }
    }
    this.made.clear();
    if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
  }
}

/**
 * In the body of a suite: opens a workshop before its tests, removes after each test the containers that it has made, and closes
 * the workshop at the end.
 */
export function setUpDetached(
  give: (made: { readonly shop: Workshop; readonly detached: DetachedContainers }) => void,
): void {
  let shop: Workshop | undefined;
  let detached: DetachedContainers | undefined;
  before(async () => {
    shop = await Workshop.open();
    detached = new DetachedContainers(shop.engine, shop.busybox, shop.directory);
    give({ shop, detached });
  });
  afterEach(() => detached?.cleanUp());
  after(() => shop?.close());
}

/** The pid of who keeps it. */
export async function supervisorOf(container: Container): Promise<number> {
  const { supervisor } = (await container.inspect()).state;
  expect(isAlive(supervisor), `supervisor ${supervisor}`).to.equal(true);
  return Number(supervisor.split(' ')[0]);
}

export async function refused(
  promise: PromiseLike<unknown>,
  code: ErrorCode,
): Promise<CaissonError> {
  const error = await rejectionOf(promise);
  expect(error.code, String(error)).to.equal(code);
  return error;
}

/** Its log, one stream after the other as they came. */
export async function logOf(container: Container): Promise<string> {
  return (await logBytes(container)).toString('utf8');
}

export async function logBytes(container: Container): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const { bytes } of container.logs()) parts.push(bytes);
  return Buffer.concat(parts);
}

export function untilLogged(container: Container, text: string): Promise<void> {
  return container.waitFor({ log: text, timeout: 10_000 * slowness });
}

export async function statusIs(container: Container, status: ContainerStatus): Promise<void> {
  expect((await container.inspect()).status).to.equal(status);
}

export function untilStatus(container: Container, status: ContainerStatus): Promise<void> {
  return eventually(() => statusIs(container, status));
}
