/**
 * A host and the internet of a test of policies: machines with addresses of TEST-NET-3 (RFC 5737), of 2001:db8::/32, and the address
 * of a cloud's metadata, in a network namespace each.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunOptions } from '../../lib/index.js';
import { NetworkHost } from './network-host.js';
import { Machine } from './network-machine.js';
import { fixture } from './paths.js';
import { type Probe, type Probed, probing } from './probe.js';

/** Of the machine outside: TEST-NET-3 (RFC 5737), 2001:db8::/32, and the metadata of clouds. */
export const WEB = '203.0.113.10';
export const OTHER = '203.0.113.20';
export const WEB6 = '2001:db8:1::10';
export const OTHER6 = '2001:db8:1::20';
export const METADATA = '169.254.169.254';
/** Of the host. */
export const HOST = '203.0.113.1';

interface Made {
  readonly directory: string;
  readonly host: NetworkHost;
  readonly internet: Machine;
  readonly names: ChildProcess;
}

/** A name server at WEB knows some names below `example`. The host has the network `web`. */
export class PolicyLab {
  /** The names that the name server was asked for. */
  readonly queries: string[] = [];

  private made: Made | undefined;

  /** With hooks that make it for the tests of this `describe`, and end it. */
  static forTests(): PolicyLab {
    const lab = new PolicyLab();
    before(() => lab.make());
    after(() => lab.end());
    return lab;
  }

  get directory(): string {
    return this.all.directory;
  }

  get host(): NetworkHost {
    return this.all.host;
  }

  get internet(): Machine {
    return this.all.internet;
  }

  private get all(): Made {
    if (this.made === undefined) throw new Error('it is not made yet');
    return this.made;
  }

  private async make(): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'caisson-policy-'));
    const host = await NetworkHost.make(directory);
    const internet = await Machine.make('internet');
    await internet.ip(
      `link add eth0 type veth peer name uplink netns ${host.namespace.pid}`,
      'link set eth0 up',
      ...[WEB, OTHER].map((address) => `address add ${address}/24 dev eth0`),
      ...[WEB6, OTHER6].map((address) => `address add ${address}/64 dev eth0 nodad`),
      `address add ${METADATA}/32 dev eth0`,
    );
    for (const line of [
      'link set uplink up',
      `address add ${HOST}/24 dev uplink`,
      'address add 2001:db8:1::1/64 dev uplink nodad',
      `route add ${METADATA}/32 dev uplink`,
    ])
      await host.namespace.run('ip', ...line.split(' '));
    for (const port of [80, 443]) {
      await internet.serve('tcp', port);
      for (const address of [WEB, OTHER, WEB6, OTHER6]) await internet.serve('udp', port, address);
    }
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    const records = {
      'web.example': [WEB, WEB6],
      'deep.web.example': [OTHER, OTHER6],
      'inside.example': ['10.77.0.1', METADATA],
      'six.example': [WEB6],
      'empty.example': [],
      ...Object.fromEntries(['one', 'two', 'three'].map((name) => [`slow-${name}.example`, [WEB]])),
    };
    const [program = '', ...args] = [...internet.namespace.within, process.execPath];
    const names = spawn(
      program,
      [...args, fixture('internet-names'), WEB, JSON.stringify(records)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => names.stdout.once('data', resolve));
    this.made = { directory, host, internet, names };
    createInterface({ input: names.stdout }).on('line', (name) => this.queries.push(name));
  }

  private async end(): Promise<void> {
    if (this.made === undefined) return;
    const { directory, host, internet, names } = this.made;
    names.stdin?.end();
    await host.end();
    await internet.end();
    await rm(directory, { recursive: true, force: true });
  }

  /** What a run in this network reaches. */
  async probe(network: RunOptions['network'], ...probes: Probe[]): Promise<Probed[]> {
    const { stdout, stderr } = await this.host.run(probing(...probes), { network });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Probed[];
  }

  /** The answers that a container gets that runs. */
  async reached(id: string, ...probes: Probe[]): Promise<string[]> {
    const { stdout, stderr } = await this.host.cli('exec', id, ...probing(...probes));
    if (stdout === '') throw new Error(stderr);
    return answersOf(JSON.parse(stdout) as Probed[]);
  }

  /** The rules of all container networks. */
  table(): Promise<string> {
    return this.host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
  }
}

export function answersOf(probed: readonly Probed[]): string[] {
  return probed.map(({ answer }) => answer);
}
