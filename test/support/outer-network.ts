/**
 * A network that stands for the world outside, with nothing behind it but servers of its own: containers whose network is
 * passed on by an ordinary process of the host's reach that process's network, and this is one of the test's alone.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { isRoot } from './needs.js';
import { fixture } from './paths.js';

/** One of its addresses, as of a machine elsewhere; documentation's (RFC 5737), as the others. */
export const SERVER = '198.51.100.1';
/** The address of its interface with the default route, and the gateway there, which no machine has. */
export const ADDRESS = '192.0.2.2';
export const GATEWAY = '192.0.2.1';
/** What answers on every address, and what on 127.0.0.1 alone. */
export const PORT = 8000;
export const LOOPBACK_PORT = 8001;
/** Its name server, as systemd-resolved's. It knows every name, as SERVER. */
export const NAMESERVER = '127.0.0.53';

const NETWORK = `
ip link set lo up
ip addr add ${SERVER}/32 dev lo
ip link add outside type bridge
ip addr add ${ADDRESS}/24 dev outside
ip link set outside up
ip route add default via ${GATEWAY} dev outside
`;

export class OuterNetwork {
  private constructor(
    private readonly directory: string,
    private readonly child: ChildProcess,
    readonly pid: number,
  ) {}

  static async make(): Promise<OuterNetwork> {
    const directory = await mkdtemp(join(tmpdir(), 'caisson-outer-'));
    const at = (name: string) => join(directory, name);
    await writeFile(at('resolv.conf'), `nameserver ${NAMESERVER}\nsearch example.org\n`);
    const script = `set -e
      chmod 0755 '${directory}'
      mknod -m 0666 '${at('tun')}' c 10 200
      chmod 0666 '${at('tun')}'
      mount --bind '${at('tun')}' /dev/net/tun
      mount --bind '${at('resolv.conf')}' /etc/resolv.conf
      ${NETWORK}
      exec '${process.execPath}' '${fixture('outer-servers')}'`;
    const child = spawn(
      'unshare',
      ['--mount', '--net', '--propagation', 'private', 'sh', '-c', script],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const ready = await new Promise<boolean>((resolve) => {
      child.once('close', () => resolve(false));
      createInterface({ input: child.stdout }).once('line', () => resolve(true));
    });
    if (!ready || child.pid === undefined) {
      await rm(directory, { recursive: true, force: true });
      throw new Error('the outer network could not be made');
    }
    return new OuterNetwork(directory, child, child.pid);
  }

  /** Why there can be none here. */
  static missing(): string | undefined {
    if (!isRoot) return 'needs root, to make a network of its own';
    if (!existsSync('/dev/net/tun')) return 'this machine has no /dev/net/tun';
    if (!existsSync('/sbin/ip') && !existsSync('/usr/bin/ip'))
      return 'the package iproute2 is not installed';
    return undefined;
  }

  /** What runs a command there: put before it. */
  get within(): readonly string[] {
    return ['nsenter', '--target', String(this.pid), '--mount', '--net', '--'];
  }

  /** Pids of who is there beside its own servers. */
  guests(): number[] {
    const here = readlinkSync(`/proc/${this.pid}/ns/net`);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && name !== String(this.pid))
      .filter((pid) => {
        try {
          return readlinkSync(`/proc/${pid}/ns/net`) === here;
        } catch {
          return false; // it has just ended
        }
      })
      .map(Number);
  }

  /** What a command there writes. */
  async run(...command: readonly string[]): Promise<string> {
    const [program = '', ...args] = [...this.within, ...command];
    return (await promisify(execFile)(program, args)).stdout;
  }

  async cleanUp(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGKILL');
    await ended;
    await rm(this.directory, { recursive: true, force: true });
  }
}
