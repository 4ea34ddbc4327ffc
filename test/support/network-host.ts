/** A machine for a test of networks: a network namespace with an engine in it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CaissonError, ContainerInfo, CreateOptions, RunOptions, RunResult } from '../../lib/index.js'; // prettier-ignore
import { NetworkNamespace } from './network-namespace.js';
import { fixture, repository } from './paths.js';

interface Answer {
  readonly call: number;
  readonly result?: unknown;
  readonly error?: Partial<CaissonError>;
}

interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class NetworkHost {
  private calls = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  private constructor(
    readonly namespace: NetworkNamespace,
    private readonly engine: ChildProcess,
    private readonly directory: string,
  ) {}

  /** @param directory for the engine's files */
  static async make(directory: string): Promise<NetworkHost> {
    const namespace = await NetworkNamespace.make();
    const [program = '', ...args] = [
      ...namespace.within,
      process.execPath,
      fixture('engine-in-namespace'),
      directory,
    ];
    const engine = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const host = new NetworkHost(namespace, engine, directory);
    const ready = new Promise<boolean>((resolve) => {
      engine.once('close', () => resolve(false));
      createInterface({ input: engine.stdout }).on('line', (line) => {
        if (line === 'ready') return resolve(true);
        const answer = JSON.parse(line) as Answer;
        host.waiting.get(answer.call)?.(answer);
        host.waiting.delete(answer.call);
      });
    });
    if (await ready) return host;
    await namespace.end();
    throw new Error('the engine could not be opened');
  }

  /** The process of the engine. */
  get enginePid(): number {
    return this.engine.pid ?? 0;
  }

  private async call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    return (await this.answerTo(++this.calls, name, args)).result;
  }

  private async answerTo(call: number, name: string, args: readonly unknown[]): Promise<Answer> {
    const answered = new Promise<Answer>((resolve) => this.waiting.set(call, resolve));
    this.engine.stdin?.write(`${JSON.stringify({ call, name, args })}\n`);
    const answer = await answered;
    if (answer.error !== undefined)
      throw Object.assign(new Error(answer.error.message), answer.error);
    return answer;
  }

  /** `Engine.run` with the host image. */
  async run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
    return (await this.call('run', 'host', argv, options)) as RunResult;
  }

  /** What such a run is refused with. */
  async refusal(argv: readonly string[], options: RunOptions): Promise<CaissonError> {
    let result: RunResult;
    try {
      result = await this.run(argv, options);
    } catch (error) {
      return error as CaissonError;
    }
    throw new Error(`nothing was refused: ${JSON.stringify(result)}`);
  }

  async explain(argv: readonly string[], options: RunOptions): Promise<string> {
    return (await this.call('explain', 'host', argv, options)) as string;
  }

  /** Resolves when the program has been exec'ed. */
  async start(
    argv: readonly string[],
    options: RunOptions,
  ): Promise<{ readonly kill: () => Promise<void> }> {
    const call = ++this.calls;
    await this.answerTo(call, 'start', ['host', argv, options]);
    return { kill: async () => void (await this.call('kill', call)) };
  }

  /** @returns the long id of a detached container */
  async create(argv: readonly string[], options: CreateOptions): Promise<string> {
    return (await this.call('create', 'host', argv, options)) as string;
  }

  /** A method of a detached container. */
  async onContainer(id: string, verb: string, options?: object): Promise<unknown> {
    return this.call('onContainer', id, verb, options);
  }

  /** @returns how a program in a container ended, and what it wrote. */
  async exec(id: string, ...argv: readonly string[]): Promise<RunResult> {
    return (await this.onContainer(id, 'exec', argv)) as RunResult;
  }

  /** Removes all detached containers. */
  async removeAll(): Promise<void> {
    await this.call('removeAll');
  }

  async inspect(id: string): Promise<ContainerInfo> {
    return (await this.onContainer(id, 'inspect')) as ContainerInfo;
  }

  /** The command line, there. */
  async cli(...args: readonly string[]): Promise<CliResult> {
    return this.cliWith([], ...args);
  }

  /** @param before a command that executes another one */
  async cliWith(before: readonly string[], ...args: readonly string[]): Promise<CliResult> {
    const [program = '', ...rest] = [
      ...this.namespace.within,
      ...before,
      join(repository, 'bin/caisson'),
      ...['--data-root', `${this.directory}/data`, '--run-root', `${this.directory}/run`],
      ...args,
    ];
    return new Promise((resolve) => {
      execFile(program, rest, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  async createNetwork(name: string, subnet: string, subnet6?: string): Promise<void> {
    const subnetOf = (text: string) => {
      const [first = ''] = text.split('/');
      return {
        subnet: text,
        gateway: first.replace(/(?:0|::)$/, (end) => (end === '0' ? '1' : '::1')),
      };
    };
    await this.call('createNetwork', {
      name,
      ipv4: subnetOf(subnet),
      ...(subnet6 === undefined ? {} : { ipv6: subnetOf(subnet6) }),
      enableIpv6: subnet6 !== undefined,
      internal: false,
      attachable: false,
      labels: {},
      options: {},
    });
  }

  async removeNetwork(name: string): Promise<void> {
    await this.call('removeNetwork', name);
  }

  /** Names of the interfaces, sorted. */
  async links(): Promise<string[]> {
    const json = await this.namespace.run('ip', '-j', 'link');
    return (JSON.parse(json) as { ifname: string }[]).map(({ ifname }) => ifname).sort();
  }

  /** An HTTP server there, which answers with a text. */
  async serve(address: string, port: number, text: string): Promise<{ readonly end: () => void }> {
    const script = `require('http').createServer((_, answer) => answer.end(${JSON.stringify(text)}))
      .listen(${port}, ${JSON.stringify(address)}, () => console.log('ready'))`;
    const [program = '', ...args] = [...this.namespace.within, process.execPath, '-e', script];
    const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout, 'data');
    return { end: () => void server.kill('SIGKILL') };
  }

  async end(): Promise<void> {
    const ended = once(this.engine, 'close');
    this.engine.stdin?.end();
    await ended;
    await this.namespace.end();
  }
}
