/** A machine of a test's network: a network namespace with a process in it that serves and asks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NetworkNamespace } from './network-namespace.js';

const PEER = fileURLToPath(new URL('../integration/fixtures/network-peer.js', import.meta.url));
/** How long a question that gets no answer takes, in milliseconds. */
const REFUSED_WAIT = 700;
/** How long an answer may take on a slow machine. */
const ANSWER_WAIT = 10_000;

type Protocol = 'tcp' | 'udp';

export class Machine {
  private readonly waiting = new Map<number, (text: string) => void>();
  private last = 0;

  private constructor(
    readonly name: string,
    readonly namespace: NetworkNamespace,
    private readonly peer: ChildProcess,
  ) {
    if (peer.stdout === null) throw new Error('the peer has no stdout');
    createInterface({ input: peer.stdout }).on('line', (line) => {
      const { id, text } = JSON.parse(line) as { id: number; text: string };
      this.waiting.get(id)?.(text);
      this.waiting.delete(id);
    });
  }

  static async make(name: string): Promise<Machine> {
    const namespace = await NetworkNamespace.make();
    const [program = '', ...args] = [...namespace.within, process.execPath, PEER, name];
    const peer = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    return new Machine(name, namespace, peer);
  }

  private request(content: object): Promise<string> {
    const id = ++this.last;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.peer.stdin?.write(`${JSON.stringify({ id, ...content })}\n`);
    });
  }

  /** Answers with `<name of this machine> <address that the question came from>`. */
  async serve(protocol: Protocol, port: number, address = '::'): Promise<void> {
    const text = await this.request({ serve: protocol, address, port });
    if (text !== 'ready') throw new Error(`${this.name} cannot serve ${address} ${port}: ${text}`);
  }

  /** The answer, or the code of the error. */
  ask(protocol: Protocol, address: string, port: number, wait = ANSWER_WAIT): Promise<string> {
    return this.request({ ask: protocol, address, port, wait });
  }

  /** As `ask`, where no answer is expected: `timeout` or a code. */
  askInVain(protocol: Protocol, address: string, port: number): Promise<string> {
    return this.ask(protocol, address, port, REFUSED_WAIT);
  }

  /** Runs ip(8) with each line. */
  async ip(...lines: readonly string[]): Promise<void> {
    for (const line of lines) await this.namespace.run('ip', ...line.split(' '));
  }

  /** @param key with slashes, below /proc/sys */
  async sysctl(key: string, value: string | number): Promise<void> {
    await this.namespace.run('sh', '-c', `echo ${value} > /proc/sys/${key}`);
  }

  /** A cable to another machine. */
  async connect(own: string, other: Machine, others: string): Promise<void> {
    await this.ip(
      `link add ${own} type veth peer name ${others} netns ${other.namespace.pid}`,
      `link set ${own} up`,
    );
    await other.ip(`link set ${others} up`);
  }

  async end(): Promise<void> {
    if (this.peer.exitCode === null && this.peer.signalCode === null) {
      const ended = once(this.peer, 'close');
      this.peer.kill('SIGKILL');
      await ended;
    }
    await this.namespace.end();
  }
}
