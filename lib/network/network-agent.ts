/**
 * A network agent of this process: it sends what this process may not send, in the shared network of a rootless user. The
 * other side: cpp/agent/network_agent.h; the messages: cpp/base/agent_channel.h.
 */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { initPath } from '../native/load.js';
import type { NetlinkOutcome } from '../native/binding.js';
import type { RequestPlace } from './netlink/request.js';

const MAGIC = 0x314e_4741;
/** `AgentTask` */
const TASK = { netlink: 1, dump: 2, sysctl: 3, resolver: 4 } as const;
const REQUEST_SIZE = 32;
const ANSWER_SIZE = 208;
const ECONNRESET = 104;

export class NetworkAgent {
  /** It has ended: there has to be another one. */
  ended = false;
  /** One request after the other. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly channel: Channel) {
    channel.socket.once('close', () => (this.ended = true));
  }

  /**
   * @param holder the pid of the process that holds the network
   * @returns undefined if that has ended, or cannot be entered
   */
  static async start(holder: number): Promise<NetworkAgent | undefined> {
    const child = spawn(initPath(), ['network-agent', '3', String(holder)], {
      argv0: 'caisson-agent',
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: {},
    });
    child.once('error', () => undefined);
    const channel = new Channel(child.stdio[3] as Socket);
    const entered = await channel.read(4).catch(() => undefined);
    // Neither keeps this process from its end, with which the agent ends.
    child.unref();
    channel.socket.unref();
    if (entered?.readInt32LE(0) !== 0) return undefined;
    return new NetworkAgent(channel);
  }

  netlink(
    protocol: number,
    bytes: Uint8Array,
    dump: boolean,
    where?: RequestPlace,
  ): Promise<NetlinkOutcome> {
    return this.ask(dump ? TASK.dump : TASK.netlink, protocol, bytes, where);
  }

  /** @param key a path below /proc/sys/net */
  sysctl(key: string, value: string, where?: RequestPlace): Promise<NetlinkOutcome> {
    return this.ask(TASK.sysctl, 0, Buffer.from(`${key}\0${value}`), where);
  }

  /** Resolves when a resolver listens in the directory, this one or another. */
  startResolver(directory: string): Promise<NetlinkOutcome> {
    return this.ask(TASK.resolver, 0, Buffer.from(directory));
  }

  private ask(
    task: number,
    number: number,
    bytes: Uint8Array,
    where?: RequestPlace,
  ): Promise<NetlinkOutcome> {
    const head = Buffer.alloc(REQUEST_SIZE);
    const { process, namespaceAt = 0 } = where ?? {};
    [MAGIC, task, bytes.length, number, namespaceAt, process?.pid ?? 0].forEach((word, at) =>
      head.writeUInt32LE(word, 4 * at),
    );
    head.writeBigUInt64LE(BigInt(process?.startTime ?? 0), 24);
    const work = this.last.then(() => this.exchange(head, bytes));
    this.last = work;
    return work;
  }

  private async exchange(head: Buffer, bytes: Uint8Array): Promise<NetlinkOutcome> {
    const { socket } = this.channel;
    socket.ref();
    try {
      socket.write(Buffer.concat([head, bytes]));
      const answer = await this.channel.read(ANSWER_SIZE);
      const size = answer.readUInt32LE(12);
      return {
        errno: answer.readInt32LE(4),
        sequence: answer.readUInt32LE(8),
        call: textIn(answer.subarray(16, 48)),
        reason: textIn(answer.subarray(48)),
        data: size === 0 ? Buffer.alloc(0) : await this.channel.read(size),
      };
    } catch {
      this.ended = true;
      return { errno: ECONNRESET, call: 'agent', sequence: 0, reason: '', data: Buffer.alloc(0) };
    } finally {
      socket.unref();
    }
  }
}

function textIn(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** Reads exact sizes of a stream, one read at a time. */
export class Channel {
  private parts: Buffer[] = [];
  private size = 0;
  private closed = false;
  private wake: () => void = () => undefined;

  constructor(readonly socket: Socket) {
    socket.on('data', (part: Buffer) => {
      this.parts.push(part);
      this.size += part.length;
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  /** @throws Error at the end of the stream */
  async read(size: number): Promise<Buffer> {
    while (this.size < size) {
      if (this.closed) throw new Error('the stream has ended');
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const all = Buffer.concat(this.parts);
    this.parts = all.length === size ? [] : [all.subarray(size)];
    this.size = all.length - size;
    return all.subarray(0, size);
  }
}
