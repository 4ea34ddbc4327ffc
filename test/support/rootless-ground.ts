/** An unprivileged user's machine, and another one outside: everything in network namespaces of the test's own. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { Machine } from './network-machine.js';
import { GATEWAY, OuterNetwork } from './outer-network.js';
import { type CommandLineUser, unprivileged } from './outer-users.js';
import { eventually } from './outside.js';
import { probing, type Probe, type Probed } from './probe.js';
import { HOST, METADATA, OTHER, OTHER6, WEB, WEB6 } from './policy-lab.js';
import { type Said, UID } from './unprivileged-user.js';

export { HOST, METADATA, OTHER, OTHER6, WEB, WEB6 };
/** Of the user's machine, besides HOST and those of test/support/outer-network.ts. */
export const HOST6 = '2001:db8:1::1';

export class RootlessGround {
  private constructor(
    readonly outer: OuterNetwork,
    readonly user: CommandLineUser,
    readonly internet: Machine,
  ) {}

  /** Why there can be none here. */
  static missing(): string | undefined {
    const missing = OuterNetwork.missing();
    if (missing !== undefined) return missing;
    if (!existsSync('/usr/bin/pasta')) return 'the package passt is not installed';
    const forbidden = userNamespaceSwitch();
    return forbidden && `${forbidden.name} forbids user namespaces`;
  }

  static async make(): Promise<RootlessGround> {
    const outer = await OuterNetwork.make();
    const internet = await Machine.make('internet');
    await internet.ip(
      `link add eth0 type veth peer name uplink netns ${outer.pid}`,
      'link set eth0 up',
      ...[WEB, OTHER].map((address) => `address add ${address}/24 dev eth0`),
      ...[WEB6, OTHER6].map((address) => `address add ${address}/64 dev eth0 nodad`),
      `address add ${METADATA}/32 dev eth0`,
    );
    for (const line of [
      'link set uplink up',
      `address add ${HOST}/24 dev uplink`,
      `address add ${HOST6}/64 dev uplink nodad`,
      `route add default via ${WEB6} dev uplink`,
      `route add ${METADATA}/32 dev uplink`,
      // What is sent to it goes nowhere, and the machine does not tell itself so.
      `neighbour add ${GATEWAY} lladdr 02:00:00:00:00:01 dev outside nud permanent`,
    ])
      await outer.run('ip', ...line.split(' '));
    for (const port of [80, 443]) {
      await internet.serve('tcp', port);
      for (const address of [WEB, OTHER, WEB6, OTHER6]) await internet.serve('udp', port, address);
    }
    return new RootlessGround(outer, await unprivileged(outer), internet);
  }

  async cleanUp(): Promise<void> {
    await this.user.cleanUp();
    await this.outer.cleanUp();
    await this.internet.end();
  }

  /** Removes all containers and networks. The shared network ends some seconds after its last container, and pasta with it. */
  async clear(): Promise<void> {
    const { stdout } = await this.user.caisson(['ps', '-aq']);
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await this.user.caisson(['rm', '-f', ...ids]);
    await this.user.caisson(['network', 'prune', '-f']);
    // It keeps the names that were refused for half a minute.
    for (const pid of pidsOf(/caisson-resolve/)) process.kill(pid, 'SIGKILL');
    await eventually(() => expect(processes()).to.deep.equal([]), 20_000);
    await eventually(() => expect(this.outer.guests(), 'processes').to.deep.equal([]));
  }

  tell(...args: readonly string[]): Promise<Said> {
    return this.user.caisson(args);
  }

  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.user.caisson(args);
    expect(code, `caisson ${args.join(' ')}\n${stdout}${stderr}`).to.equal(0);
    return stdout.trimEnd();
  }

  /** What it answers to each, in a container that runs. */
  async probe(id: string, ...probes: readonly Probe[]): Promise<Probed[]> {
    return JSON.parse(await this.ok('exec', id, ...probing(...probes))) as Probed[];
  }

  async answers(id: string, ...probes: readonly Probe[]): Promise<string[]> {
    return (await this.probe(id, ...probes)).map(({ answer }) => answer);
  }

  /** A command in the shared network. */
  async inNetwork(...command: readonly string[]): Promise<string> {
    const [holder] = pidsOf(/caisson-network/);
    return this.outer.run('nsenter', '--target', String(holder), '--net', '--', ...command);
  }

  /** The last line that a fixture says as JSON, as the user. */
  async fixture(name: string, argument: object): Promise<unknown> {
    const child = this.user.fixture(name, JSON.stringify(argument));
    child.stdin?.end();
    let last = '';
    for await (const line of createInterface({ input: child.stdout! })) last = line;
    return JSON.parse(last);
  }
}

/** Of the user's processes whose name is like that. */
export function pidsOf(name: RegExp): number[] {
  return processes()
    .filter((line) => name.test(line.split(' ')[1] ?? ''))
    .map((line) => Number(line.split(' ')[0]));
}

/** Of the user: pids, names and commands. */
export function processes(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return [];
      if (!new RegExp(`^Uid:\t${UID}\t`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8')))
        return [];
      readlinkSync(`/proc/${pid}/exe`);
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      return [
        `${pid} ${name} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`,
      ];
    } catch {
      return []; // it has just ended
    }
  });
}
