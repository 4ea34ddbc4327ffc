/** The resolver of a test: processes in network namespaces of their own, and a name server on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startTimeOf } from '../../lib/host/owner.js';
import {
  encodeRegistration,
  type RegisteredProcess,
  type Registration,
} from '../../lib/network/names/registration.js';
import { tellResolver } from '../../lib/network/names/resolver-client.js';
import type { Exchange, Exchanged } from '../integration/fixtures/dns-client.js';
import { type Asked, decode, encodeQuery, type Message } from './dns.js';
import { eventually } from './outside.js';
import { fixture } from './paths.js';

/** Milliseconds; longer than any query takes that is answered. */
const PATIENCE = 20_000;

/** A process in a network namespace of its own, which stands for a container. */
export class Member {
  private readonly waiting = new Map<number, (exchanged: Exchanged) => void>();
  private next = 1;

  private constructor(private readonly child: ChildProcess) {}

  /**
   * @param asks whether it sends queries
   * @param up whether its loopback interface is up before it is registered
   */
  static async start(asks = true, up = asks): Promise<Member> {
    const client = `${up ? 'ip link set lo up && ' : ''}exec "$0" "$1"`;
    const command = asks
      ? ['sh', '-c', client, process.execPath, fixture('dns-client')]
      : ['sh', '-c', 'echo {} && exec sleep 1000'];
    const child = spawn('unshare', ['--net', ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
    const member = new Member(child);
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => {
      const exchanged = JSON.parse(line) as Exchanged;
      member.waiting.get(exchanged.key)?.(exchanged);
      member.waiting.delete(exchanged.key);
    });
    return member;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get process(): RegisteredProcess {
    return { pid: this.pid, startTime: BigInt(startTimeOf(this.pid) ?? 0) };
  }

  exchange(
    exchange: Omit<Exchange, 'key' | 'patience'> & { patience?: number },
  ): Promise<Exchanged> {
    const key = this.next++;
    return new Promise((resolve) => {
      this.waiting.set(key, resolve);
      this.child.stdin?.write(`${JSON.stringify({ patience: PATIENCE, ...exchange, key })}\n`);
    });
  }

  /** @returns undefined if there is no reply in time. */
  async send(bytes: Buffer, patience = PATIENCE): Promise<Message | undefined> {
    const { bytes: reply } = await this.exchange({
      by: 'udp',
      bytes: bytes.toString('hex'),
      patience,
    });
    return reply === undefined ? undefined : decode(Buffer.from(reply, 'hex'));
  }

  async ask(name: string, asked: Omit<Asked, 'name'> = {}): Promise<Message> {
    const reply = await this.send(encodeQuery({ name, ...asked }));
    if (reply === undefined) throw new Error(`${name}: no reply`);
    return reply;
  }

  async askByTcp(name: string, asked: Omit<Asked, 'name'> = {}): Promise<Message> {
    const query = encodeQuery({ name, ...asked });
    const size = Buffer.alloc(2);
    size.writeUInt16BE(query.length);
    const bytes = Buffer.concat([size, query]).toString('hex');
    const { bytes: reply = '' } = await this.exchange({ by: 'tcp', bytes });
    return decode(Buffer.from(reply, 'hex').subarray(2));
  }

  /** The addresses of a name, in the order of the reply. */
  async addresses(name: string, type?: number): Promise<string[]> {
    return (await this.ask(name, type === undefined ? {} : { type })).answers.map(
      ({ data }) => data,
    );
  }

  /** A name server of its own, on all of its addresses; what it says is nothing. @returns the code of the error */
  async listen(): Promise<string | undefined> {
    return (await this.exchange({ by: 'listen', bytes: '' })).error;
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

export type Protocol = 'udp' | 'tcp';
/** @returns the messages to send in reply. */
export type Respond = (
  query: Buffer,
  by: Protocol,
) => readonly Buffer[] | Promise<readonly Buffer[]>;

/** A name server on the host's loopback interface, by UDP and TCP. */
export class NameServer {
  readonly queries: { readonly query: Buffer; readonly by: Protocol; readonly port: number }[] = [];
  respond: Respond = () => [];
  private closed = false;

  private constructor(
    private readonly udp: Socket,
    private readonly tcp: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<NameServer> {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    const server = new NameServer(udp, tcp, port);
    udp.on('message', (query, { port: from, address }) => {
      void server.replies(query, 'udp', from).then((replies) => {
        for (const reply of replies) udp.send(reply, from, address);
      });
    });
    tcp.on('connection', (socket) => {
      let received = Buffer.alloc(0);
      socket.on('error', () => undefined);
      socket.on('data', (part) => {
        received = Buffer.concat([received, part]);
        if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
        const query = received.subarray(2);
        void server.replies(query, 'tcp', socket.remotePort ?? 0).then((replies) => {
          for (const reply of replies) {
            const size = Buffer.alloc(2);
            size.writeUInt16BE(reply.length);
            socket.write(Buffer.concat([size, reply]));
          }
        });
      });
    });
    return server;
  }

  private async replies(query: Buffer, by: Protocol, port: number): Promise<readonly Buffer[]> {
    this.queries.push({ query, by, port });
    return this.respond(query, by);
  }

  /** From its port, as if it had been asked. */
  send(message: Buffer, port: number): void {
    this.udp.send(message, port, '127.0.0.1');
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.udp.close();
    this.tcp.close();
  }
}

/** The resolver of one directory, and everything that uses it. */
export class ResolverGround {
  private readonly members: Member[] = [];
  private readonly servers: NameServer[] = [];

  private constructor(
    private readonly parent: string,
    readonly directory: string,
  ) {}

  static async open(): Promise<ResolverGround> {
    const parent = await mkdtemp(join(tmpdir(), 'caisson-resolver-'));
    return new ResolverGround(parent, join(parent, 'resolver'));
  }

  async member(asks = true, up = asks): Promise<Member> {
    const member = await Member.start(asks, up);
    this.members.push(member);
    return member;
  }

  async server(respond?: Respond): Promise<NameServer> {
    const server = await NameServer.start();
    if (respond !== undefined) server.respond = respond;
    this.servers.push(server);
    return server;
  }

  async register(member: Member, registration: Registration): Promise<void> {
    await tellResolver(this.directory, encodeRegistration(registration, member.process));
  }

  /** The process that holds the sockets. */
  broker(): number | undefined {
    return processes().find(({ args }) => args[1] === 'resolver' && args[3] === this.directory)
      ?.pid;
  }

  /** The process that parses. */
  worker(): number | undefined {
    const broker = this.broker();
    return processes().find(({ parent, args }) => parent === broker && args[1] === 'resolve')?.pid;
  }

  /** Ends everything, and waits until the resolver has ended and its directory is gone. */
  async close(): Promise<void> {
    try {
      for (const member of this.members) await member.end();
      for (const server of this.servers) server.close();
      await eventually(() => {
        if (existsSync(this.directory))
          throw new Error(`left: ${readdirSync(this.directory).join(' ')}`);
        if (this.broker() !== undefined) throw new Error('the resolver has not ended');
      });
    } finally {
      for (const pid of [this.worker(), this.broker()])
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      await rm(this.parent, { recursive: true, force: true });
    }
  }
}

/** Those that have not ended. */
function processes(): { pid: number; parent: number; args: string[] }[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (/^[ZX]/.test(state)) return [];
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      return [{ pid: Number(entry), parent: Number(parent), args }];
    } catch {
      return []; // it has just ended
    }
  });
}
