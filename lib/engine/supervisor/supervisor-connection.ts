/** A connection to a container's supervisor: frames in both directions (docs/lifecycle.md). */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { NativeError } from '../../native/binding.js';

/** Bits: what a client is attached to; `Attachment` of cpp/supervisor/. */
export const ATTACH = { stdin: 1, stdout: 2, stderr: 4 } as const;

/** `Request` of cpp/supervisor/. */
export const REQUEST = {
  attach: 1,
  input: 2,
  inputEnd: 3,
  resize: 4,
  signal: 5,
  stop: 6,
  policy: 7,
  renamed: 8,
  limits: 9,
  begin: 10,
  keep: 11,
  registration: 12,
  programs: 13,
  thaw: 14,
} as const;

/** `Reply` of cpp/supervisor/. */
export const REPLY = {
  attached: 1,
  output: 2,
  outputEnd: 3,
  started: 4,
  failed: 5,
  exited: 6,
  done: 7,
  waiting: 8,
} as const;

/** Where the fields of an error record are: `ErrorRecord` of cpp/program/page.h. */
export const ERROR_RECORD = {
  phase: 0,
  step: 4,
  number: 8,
  reserved: 12,
  call: 16,
  object: 48,
} as const;
export const ERROR_SIZE = 528;

/** Bytes, by reply: a shorter one is no reply. */
const LEAST_PAYLOAD: Readonly<Record<number, number>> = {
  [REPLY.attached]: 1,
  [REPLY.output]: 1,
  [REPLY.outputEnd]: 1,
  [REPLY.started]: 4,
  [REPLY.failed]: ERROR_SIZE,
  [REPLY.exited]: 13,
  [REPLY.done]: 4,
  [REPLY.waiting]: 4,
};

const HEAD = 5;
export const MAX_PAYLOAD = 64 << 10;
/** A piece of output, and its stream before it. */
const MAX_REPLY = MAX_PAYLOAD + 1;

/** sockaddr_un's path, with its NUL. */
const MAX_SOCKET_PATH = 107;
const O_PATH = 0x20_0000;

export interface SupervisorExit {
  /** -1 when a signal ended it. */
  readonly code: number;
  /** 0 when none did. */
  readonly signal: number;
  readonly oomKills: number;
  /** It will be started again. */
  readonly restarting: boolean;
  readonly timestamps: Float64Array;
}

/** The replies of a supervisor; those without a listener are dropped. */
export interface SupervisorListener {
  attached?: (about: { stdin: boolean; terminal: boolean }) => void;
  output?: (stream: 1 | 2, bytes: Buffer) => void;
  outputEnd?: (stream: 1 | 2) => void;
  started?: (pid: number) => void;
  failed?: (error: NativeError, timestamps: Float64Array) => void;
  exited?: (exit: SupervisorExit) => void;
  /** A positive errno, or 0. */
  done?: (errno: number) => void;
  /** Its pid; nothing happens before `begin`. */
  waiting?: (pid: number) => void;
  /** Nothing more will come. */
  closed?: () => void;
}

export class SupervisorConnection {
  private rest: Buffer[] = [];
  private size = 0;
  private over = false;
  listener: SupervisorListener;

  constructor(
    private readonly socket: Socket,
    listener: SupervisorListener,
  ) {
    this.listener = listener;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    // An error is followed by `close`, and tells nothing more than the state on the disk.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.over = true;
      this.listener.closed?.();
    });
  }

  /** Undefined when there is no supervisor. */
  static async open(
    sockets: string,
    id: string,
    listener: SupervisorListener,
  ): Promise<SupervisorConnection | undefined> {
    const path = join(sockets, id);
    if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return connectTo(path, listener);
    const directory = await open(sockets, O_PATH | constants.O_DIRECTORY).catch(() => undefined);
    if (directory === undefined) return undefined;
    try {
      return await connectTo(`/proc/self/fd/${directory.fd}/${id}`, listener);
    } finally {
      await directory.close();
    }
  }

  get closed(): boolean {
    return this.over;
  }

  attach(bits: number): void {
    this.send(REQUEST.attach, Buffer.of(bits));
  }

  /** @param written called when the supervisor has room for more. */
  input(bytes: Buffer, written: () => void): void {
    if (bytes.length === 0) written();
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD) {
      const last = at + MAX_PAYLOAD >= bytes.length;
      this.send(REQUEST.input, bytes.subarray(at, at + MAX_PAYLOAD), last ? written : undefined);
    }
  }

  inputEnd(): void {
    this.send(REQUEST.inputEnd, Buffer.alloc(0));
  }

  resize(cols: number, rows: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt16LE(cols, 0);
    payload.writeUInt16LE(rows, 2);
    this.send(REQUEST.resize, payload);
  }

  signal(signal: number): void {
    this.send(REQUEST.signal, int32(signal));
  }

  /** @param milliseconds -1: for ever. */
  stop(signal: number, milliseconds: number): void {
    this.send(REQUEST.stop, Buffer.concat([int32(signal), int32(milliseconds)]));
  }

  policy(policy: number, retries: number): void {
    this.send(REQUEST.policy, Buffer.concat([Buffer.of(policy), int32(retries)]));
  }

  renamed(name: string): void {
    this.send(REQUEST.renamed, Buffer.from(name));
  }

  /** What its later runs tell the resolver (lib/network/names/registration.ts), of the kind `register`. */
  registration(bytes: Buffer): void {
    this.send(REQUEST.registration, bytes);
  }

  /** Whether a container with `autoRemove` stays when its present run has ended. */
  keep(on: boolean): void {
    this.send(REQUEST.keep, Buffer.of(on ? 1 : 0));
  }

  /** Files of its cgroups that are written in each of its runs to come. */
  limits(writes: readonly { dir: string; file: string; value: string }[]): void {
    const text = writes.map(({ dir, file, value }) => `${dir}/${file}\0${value}\0`).join('');
    this.send(REQUEST.limits, Buffer.from(text));
  }

  /** The programs of its runs to come, and its teardown, are those of the file `next-programs` (next-programs.ts). */
  programs(): void {
    this.send(REQUEST.programs, Buffer.alloc(0));
  }

  /** Whether the container is thawed when this connection ends, however it ends. */
  thaw(onLeaving: boolean): void {
    this.send(REQUEST.thaw, Buffer.of(onLeaving ? 1 : 0));
  }

  /** Lets a supervisor begin that waits for it. */
  begin(): void {
    this.send(REQUEST.begin, Buffer.alloc(0));
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** The process may end while this is open. */
  unref(): void {
    this.socket.unref();
  }

  close(): void {
    this.socket.destroy();
  }

  private send(type: number, payload: Buffer, written?: () => void): void {
    if (this.over || this.socket.destroyed) {
      written?.();
      return;
    }
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(payload.length, 0);
    head[4] = type;
    this.socket.cork();
    this.socket.write(head);
    this.socket.write(payload, () => written?.());
    this.socket.uncork();
  }

  private take(chunk: Buffer): void {
    this.rest.push(chunk);
    this.size += chunk.length;
    if (this.size < HEAD) return;
    let bytes = this.rest.length === 1 ? chunk : Buffer.concat(this.rest);
    while (bytes.length >= HEAD) {
      const size = bytes.readUInt32LE(0);
      const type = bytes.readUInt8(4);
      if (size > MAX_REPLY || size < (LEAST_PAYLOAD[type] ?? 0)) {
        // No supervisor sends this: the state on the disk tells how the container is.
        this.rest = [];
        this.size = 0;
        this.socket.destroy();
        return;
      }
      const end = HEAD + size;
      if (bytes.length < end) break;
      this.dispatch(type, bytes.subarray(HEAD, end));
      bytes = bytes.subarray(end);
    }
    this.rest = bytes.length === 0 ? [] : [bytes];
    this.size = bytes.length;
  }

  private dispatch(type: number, payload: Buffer): void {
    const { listener } = this;
    switch (type) {
      case REPLY.attached: {
        const about = payload.readUInt8(0);
        listener.attached?.({ stdin: (about & 1) !== 0, terminal: (about & 2) !== 0 });
        break;
      }
      case REPLY.output:
        listener.output?.(streamOf(payload), payload.subarray(1));
        break;
      case REPLY.outputEnd:
        listener.outputEnd?.(streamOf(payload));
        break;
      case REPLY.started:
        listener.started?.(payload.readInt32LE(0));
        break;
      case REPLY.failed:
        listener.failed?.(errorRecord(payload), doubles(payload.subarray(ERROR_SIZE)));
        break;
      case REPLY.exited:
        listener.exited?.({
          code: payload.readInt32LE(0),
          signal: payload.readInt32LE(4),
          oomKills: payload.readUInt32LE(8),
          restarting: payload.readUInt8(12) !== 0,
          timestamps: doubles(payload.subarray(13)),
        });
        break;
      case REPLY.done:
        listener.done?.(payload.readInt32LE(0));
        break;
      case REPLY.waiting:
        listener.waiting?.(payload.readInt32LE(0));
        break;
    }
  }
}

function connectTo(
  path: string,
  listener: SupervisorListener,
): Promise<SupervisorConnection | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const refused = () => resolve(undefined);
    socket.once('error', refused);
    socket.once('connect', () => {
      socket.off('error', refused);
      resolve(new SupervisorConnection(socket, listener));
    });
  });
}

function streamOf(payload: Buffer): 1 | 2 {
  return payload.readUInt8(0) === 2 ? 2 : 1;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value, 0);
  return bytes;
}

export function errorRecord(bytes: Buffer): NativeError {
  const text = (from: number, to: number) => {
    const part = bytes.subarray(from, to);
    const end = part.indexOf(0);
    return part.toString('utf8', 0, end < 0 ? part.length : end);
  };
  return {
    phase: bytes.readUInt32LE(ERROR_RECORD.phase),
    step: bytes.readUInt32LE(ERROR_RECORD.step),
    errno: bytes.readInt32LE(ERROR_RECORD.number),
    call: text(ERROR_RECORD.call, ERROR_RECORD.object),
    object: text(ERROR_RECORD.object, ERROR_SIZE),
  };
}

function doubles(bytes: Buffer): Float64Array {
  const count = Math.floor(bytes.length / 8);
  const result = new Float64Array(count);
  for (let i = 0; i < count; i++) result[i] = bytes.readDoubleLE(8 * i);
  return result;
}
