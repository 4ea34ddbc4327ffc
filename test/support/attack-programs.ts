/** The programs of test/support/attacks: those that a container attacks with, and those that see what arrives. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { repository } from './paths.js';

const PYTHON = '/usr/bin/python3';

function source(name: string): string {
  return readFileSync(join(repository, 'test/support/attacks', `${name}.py`), 'utf8');
}

/** A host as the attacks know it. */
export interface Place {
  readonly mac: string;
  readonly ip: string;
  readonly ip6: string;
}

export interface Attacks {
  readonly own: Place & { readonly free: string };
  readonly neighbour: Place;
  readonly gateway: Place;
  readonly attacks: readonly string[];
}

/** What the ways out know besides. */
export interface Escapes extends Attacks {
  /** Outside: the address of which one port is allowed, and another one. */
  readonly open: { readonly ip: string };
  readonly closed: { readonly ip: string; readonly ip6: string };
  readonly host: string;
  readonly broadcast: string;
  /** Outside: an address that was open for a name until the time of the answer was over. */
  readonly expired?: string;
  /** A container of another network. */
  readonly stranger: string;
  /** Name of an abstract socket of the host. */
  readonly abstract: string;
}

/** Of a container on the network 10.77.0.0/24 with fd00:77::/64, and of those around it. */
export const AROUND = {
  own: { ip: '10.77.0.3', ip6: 'fd00:77::3', mac: '02:42:0a:4d:00:03', free: '10.77.0.99' },
  neighbour: { ip: '10.77.0.2', ip6: 'fd00:77::2', mac: '02:42:0a:4d:00:02' },
  gateway: { ip: '10.77.0.1', ip6: 'fd00:77::1', mac: '02:42:0a:4d:00:01' },
  broadcast: '10.77.0.255',
  stranger: '10.78.0.2',
} as const;

/** Escapes that lead out of no container, whether it has a policy or not. */
export const LEAD_NOWHERE = [
  'other-network',
  'source-route',
  'routing-header',
  'loopback',
  'new-address',
  'source-address',
  'source-hardware',
  'source-none',
  'source-none6',
  'arp-gateway',
  'router',
  'vlan',
  'unknown-type',
  'spanning-tree',
  'group-of-bridges',
] as const;

type Program = 'spoofing' | 'escapes';

/** The command of a container that does these attacks, and writes what became of each as JSON. */
export function attacking(program: Program, lab: Attacks | Escapes): string[] {
  return [PYTHON, '-c', `${source('frames')}\n${source(program)}`, JSON.stringify(lab)];
}

/** One echo request, whose answer is `answered` or `silent`. */
export function pinging(to: string, from?: string): string[] {
  return [PYTHON, '-c', source('ping'), to, ...(from === undefined ? [] : [from])];
}

/** All names of attacks in the program, in its order. */
export function attacksOf(program: Program): string[] {
  return [...source(program).matchAll(/^(?:frames|@?escape)\("([\w-]+)"/gm)].map(
    ([, name = '']) => name,
  );
}

/** Something that sees what arrives. */
export class Watcher {
  private readonly seen: string[] = [];

  private constructor(private readonly child: ChildProcess) {}

  /** @param within a command before it, which enters a network namespace */
  static async start(
    within: readonly string[],
    program: 'watch' | 'listen' | 'abstract',
    ...args: readonly string[]
  ): Promise<Watcher> {
    const [command = '', ...rest] = [...within, PYTHON, '-c', source(program), ...args];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    const watcher = new Watcher(child);
    const ready = await new Promise<boolean>((resolve) => {
      child.once('close', () => resolve(false));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line === 'ready') resolve(true);
        else watcher.seen.push(line);
      });
    });
    if (!ready) throw new Error(`${program} could not be started`);
    return watcher;
  }

  /** The attacks of which something has arrived. */
  arrived(names: readonly string[]): string[] {
    return names.filter((name) => {
      const marker = Buffer.from(`<${name}>`).toString('hex');
      return this.seen.some((each) => each.includes(marker));
    });
  }

  /** Whether one of these byte sequences has arrived, in hexadecimal digits. */
  has(traces: readonly string[]): boolean {
    return this.seen.some((each) => traces.some((trace) => each.includes(trace)));
  }

  clear(): void {
    this.seen.length = 0;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}
