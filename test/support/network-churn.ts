/** Many starts on networks, one after the other, and what they may leave. */
import { expect } from 'chai';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathsBelow } from './leftovers.js';
import type { NetworkHost } from './network-host.js';
import { eventually } from './outside.js';

/** What could grow. */
export interface Amounts {
  /** Interfaces of the host. */
  readonly links: number;
  /** Elements of the firewall's sets. */
  readonly elements: number;
  /** Files and directories of the engine: claims, containers, registrations. */
  readonly files: number;
  /** Open files of the engine's process. */
  readonly descriptors: number;
  /** KiB. */
  readonly engine: number;
  /** KiB, of all its processes. */
  readonly resolver: number;
}

/** KiB; a process that does not exist has none. */
async function residentOf(pid: number | string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

/** Of the resolver that serves this run directory: the broker, and its children. */
export async function resolversOf(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes(`${directory}/run/resolver`)) continue;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    found.push(pid, ...children.trim().split(' '));
  }
  return found;
}

export async function amountsOf(host: NetworkHost, directory: string): Promise<Amounts> {
  const table = await host.namespace.run('nft', '-j', 'list', 'table', 'inet', 'caisson');
  const { nftables } = JSON.parse(table) as { nftables: Record<string, { elem?: unknown[] }>[] };
  const sets = nftables.map((item) => item['set'] ?? item['map']);
  const resolvers = await resolversOf(directory);
  const memories = await Promise.all(resolvers.map(residentOf));
  return {
    links: (await host.links()).length,
    elements: sets.reduce((sum, set) => sum + (set?.elem?.length ?? 0), 0),
    files:
      (await pathsBelow(join(directory, 'run'))).length +
      (await readdir(join(directory, 'data/containers'))).length,
    descriptors: (await readdir(`/proc/${host.enginePid}/fd`)).length,
    engine: await residentOf(host.enginePid),
    resolver: memories.reduce((sum, each) => sum + each, 0),
  };
}

/** Until no container has anything but this many: a run is over before everything of it is torn down, addresses last. */
async function untilOnly(host: NetworkHost, directory: string, containers: number): Promise<void> {
  await eventually(async () => {
    const claims = await pathsBelow(join(directory, 'run/networks'));
    expect(claims.filter((path) => path.split('/').length === 3)).to.have.length(containers);
    const links = (await host.links()).filter((name) => name.startsWith('ve'));
    expect(links).to.have.length(containers);
  });
}

/** One container after the other, with published ports and a name, beside one that stays; by turns a run and a detached one. */
export async function churn(
  host: NetworkHost,
  directory: string,
  network: string,
  cycles: number,
): Promise<void> {
  const options = {
    network,
    ports: ['9000:80', '9001:81/udp', '82'],
    networkAliases: ['churning'],
  };
  for (let cycle = 0; cycle < cycles; cycle++) {
    if (cycle % 4 !== 0) {
      const { exitCode } = await host.run(['true'], options);
      expect(exitCode).to.equal(0);
      continue;
    }
    const id = await host.create(['true'], options);
    await host.onContainer(id, 'start');
    await host.onContainer(id, 'wait');
    await host.onContainer(id, 'remove');
  }
  await untilOnly(host, directory, 1);
}

/**
 * Nothing is left that was not there before, and nothing has grown.
 *
 * @param limits KiB by which the memory may have grown: it depends on when it is collected
 */
export async function expectUnchanged(
  host: NetworkHost,
  directory: string,
  before: Amounts,
  limits: { readonly engine: number; readonly resolver: number },
): Promise<void> {
  // Network namespaces and the last teardown end some time after the containers.
  await eventually(async () => {
    const { links, elements, files, descriptors } = await amountsOf(host, directory);
    expect({ links, elements, files }).to.deep.equal({
      links: before.links,
      elements: before.elements,
      files: before.files,
    });
    // Each thread of the pool may have a socket of its own.
    expect(descriptors - before.descriptors, 'descriptors').to.be.below(8);
  });
  const after = await amountsOf(host, directory);
  expect(after.engine - before.engine, 'KiB of the engine').to.be.below(limits.engine);
  expect(after.resolver - before.resolver, 'KiB of the resolver').to.be.below(limits.resolver);
}
