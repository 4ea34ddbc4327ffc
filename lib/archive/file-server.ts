/** A process that serves the files of a container, request by request. */
import type { Socket } from 'node:net';
import { CaissonError } from '../base/errors.js';
import { AnswerReader, encodeFrame, type Field, LONGEST_ANSWER, TASK } from './file-protocol.js';
import { viewError } from './view-error.js';
import { startView, type ViewProcess } from './view-process.js';
import type { View } from './view.js';

interface Pending {
  readonly path: string;
  resolve(answer: AnswerReader): void;
  reject(error: unknown): void;
}

/** What happened in a directory that is watched. */
export interface WatchedChange {
  /** `lost`: too much happened at once; what the directory has now has to be looked at again. */
  readonly kind: 'added' | 'changed' | 'removed' | 'lost';
  /** Begins with the path that was given; empty with `lost`. */
  readonly path: string;
}

const EVENT_KINDS = ['added', 'changed', 'removed', 'lost'] as const;

/** Less than what the process allows (cpp/archive/file_server.cpp). */
const MOST_HANDLES = 32;

/** Of an event, in place of an errno. */
const EVENT = -1;

export class FileServer {
  private readonly process: ViewProcess;
  private readonly pending = new Map<number, Pending>();
  private readonly watchers = new Map<number, (change: WatchedChange) => void>();
  private handles = 0;
  private readonly waiting: (() => void)[] = [];
  private received: Buffer[] = [];
  private size = 0;
  private nextId = 1;
  private failure: Error | undefined;
  /** Settles when the process has ended. */
  readonly ended: Promise<void>;

  /** @param view of a running container: the process ends with it */
  constructor(view: View) {
    this.process = startView(view, { kind: 'serve' });
    this.process.output.on('data', (chunk: Buffer) => this.take(chunk));
    this.ended = this.process.done.then(
      () => this.fail(new CaissonError('ERR_FILES_FAILED', 'the process with the files has ended', { stage: 'files' })), // prettier-ignore
      (error: unknown) => this.fail(error),
    );
    this.hold();
  }

  get isOpen(): boolean {
    return this.failure === undefined;
  }

  /** Nothing is asked for, and nothing is watched. */
  get isIdle(): boolean {
    return this.pending.size === 0 && this.watchers.size === 0;
  }

  /**
   * @param path for errors
   * @throws ERR_NO_SUCH_FILE, ERR_FILES_FAILED, ERR_CONTAINER_NOT_RUNNING
   */
  ask(task: number, path: string, ...fields: readonly Field[]): Promise<AnswerReader> {
    return this.request(this.nextId++, task, path, fields);
  }

  /** Calls `heard` for each change from now on. @returns a function that ends it */
  async watch(
    path: string,
    recursive: boolean,
    heard: (change: WatchedChange) => void,
  ): Promise<() => void> {
    const id = this.nextId++;
    this.watchers.set(id, heard);
    try {
      await this.request(id, TASK.watch, path, [path, recursive ? 1 : 0]);
    } catch (error) {
      this.watchers.delete(id);
      throw error;
    }
    return () => {
      if (!this.watchers.delete(id)) return;
      this.ask(TASK.unwatch, path, id).catch(() => undefined);
    };
  }

  /** Runs work that has a file open there; so many at a time. */
  async withHandle<T>(work: () => Promise<T>): Promise<T> {
    if (this.handles >= MOST_HANDLES)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.handles++;
    try {
      return await work();
    } finally {
      // Its place is given to the next one.
      const next = this.waiting.shift();
      if (next === undefined) this.handles--;
      else next();
    }
  }

  /** It ends soon. */
  close(): void {
    this.process.keep();
    this.process.input?.end();
  }

  kill(): void {
    this.process.kill();
  }

  private request(
    id: number,
    task: number,
    path: string,
    fields: readonly Field[],
  ): Promise<AnswerReader> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.pending.set(id, { path, resolve, reject });
      this.hold();
      this.process.input!.write(encodeFrame(id, task, fields));
    });
  }

  /** While nothing is asked for, the process does not keep this one from ending. */
  private hold(): void {
    const { input, output } = this.process;
    const hold = this.isIdle ? ('unref' as const) : ('ref' as const);
    for (const stream of [input, output] as unknown as Socket[]) stream[hold]();
  }

  private take(chunk: Buffer): void {
    this.received.push(chunk);
    this.size += chunk.length;
    while (this.size >= 4) {
      if (this.received.length > 1) this.received = [Buffer.concat(this.received)];
      const [bytes] = this.received as [Buffer];
      const length = bytes.readUInt32LE(0);
      if (length > LONGEST_ANSWER) {
        this.kill();
        return;
      }
      if (bytes.length < 4 + length) return;
      this.received = [bytes.subarray(4 + length)];
      this.size -= 4 + length;
      try {
        this.answer(new AnswerReader(bytes.subarray(4, 4 + length)));
      } catch {
        this.kill();
        return;
      }
    }
  }

  private answer(answer: AnswerReader): void {
    const id = answer.number();
    const errno = answer.signed();
    if (errno === EVENT) {
      const kind = EVENT_KINDS[answer.byte()] ?? 'lost';
      const path = answer.text();
      // What was lost has no path: all that watch are told.
      if (id === 0) for (const heard of this.watchers.values()) heard({ kind, path });
      else this.watchers.get(id)?.({ kind, path });
      return;
    }
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    this.hold();
    if (errno === 0) pending.resolve(answer);
    else {
      const { path } = pending;
      pending.reject(viewError({ kind: 'serve' }, { errno, call: answer.text(), path }));
    }
  }

  private fail(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
    for (const pending of this.pending.values()) pending.reject(error);
    this.pending.clear();
    for (const heard of this.watchers.values()) heard({ kind: 'lost', path: '' });
  }
}
