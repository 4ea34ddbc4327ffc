/** A network namespace of a test's own, which stands for a machine: nothing in it reaches another one. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

export class NetworkNamespace {
  private constructor(
    private readonly child: ChildProcess,
    readonly pid: number,
  ) {}

  /** With nothing but a loopback device, which is up. It ends with the test process, too. */
  static async make(): Promise<NetworkNamespace> {
    const script = 'ip link set lo up && echo ready && exec cat';
    const child = spawn('unshare', ['--net', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ready = await Promise.race([
      once(child.stdout, 'data').then(() => true),
      once(child, 'close').then(() => false),
    ]);
    if (!ready || child.pid === undefined)
      throw new Error('unshare(1) and ip(8) could not make a network namespace');
    return new NetworkNamespace(child, child.pid);
  }

  /** The namespace as a file. */
  get path(): string {
    return `/proc/${this.pid}/ns/net`;
  }

  /** What runs a command there: put before it. */
  get within(): readonly string[] {
    return ['nsenter', '--target', String(this.pid), '--net', '--'];
  }

  /** What a command there writes. */
  async run(...command: readonly string[]): Promise<string> {
    const [program = '', ...args] = [...this.within, ...command];
    return (await promisify(execFile)(program, args)).stdout;
  }

  /** The kernel removes what was in it, soon after. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await ended;
  }
}
