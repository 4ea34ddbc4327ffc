/** A container's log, as it is and as it grows (docs/lifecycle.md). */
import { isErrno } from '../../base/errno.js';
import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import { checkAbortSignal, onAbort } from '../../base/abort-signals.js';
import { boolean, invalid, wholeNumber } from '../../base/check.js';
import { DirectoryWatch } from '../../base/directory-watch.js';
import { decodeLine, type LogEntry } from './log-entry.js';
import { seekTail, type StreamStarts } from './log-tail.js';
import { openRotated, type RotatedFile } from '../../base/rotated-files.js';
import {
  nanosecondsOf,
  parseTimeStamp,
  parseUntil,
  type TimeStamp,
} from '../../base/time-stamp.js';

export type { LogEntry } from './log-entry.js';

/** What of a log is read. */
export interface LogOptions {
  /** Default true. */
  readonly stdout?: boolean | undefined;
  /** Default true. */
  readonly stderr?: boolean | undefined;
  /** Entries from then on. */
  readonly since?: TimeStamp | undefined;
  /** Entries up to then; following ends when it has come. */
  readonly until?: TimeStamp | undefined;
  /** The last so many lines, counted before anything is selected. Default `all`. */
  readonly tail?: number | string | undefined;
  /** What is still to be written, too. */
  readonly follow?: boolean | undefined;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Resolves when nothing will be written any more: following ends when all that was written until then
   * has been given. Called once. Without it, following ends by `signal`, `until`, or with the directory.
   */
  readonly ended?: (() => Promise<void>) | undefined;
  /** Called once the files are open: `tail` has been counted, and what is written from now on is new. */
  readonly onOpen?: (() => void) | undefined;
  /** Called for each line that could not be read, whole or in part. */
  readonly onDamaged?: (() => void) | undefined;
}

/** The name of the newest file. */
export const LOG_FILE = 'json.log';

interface Selection {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
  readonly tail: number | undefined;
  readonly follow: boolean;
}

/**
 * Oldest entries first. What a file holds when it is opened, and with `follow` what comes after, is given once
 * and whole, whatever is rotated meanwhile; only what rotation drops before it was opened is not there.
 *
 * @throws ERR_INVALID_OPTION, before anything is read.
 */
export function readLogs(directory: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
  return read(directory, select(options), options);
}

function select(options: LogOptions): Selection {
  const { stdout, stderr, since, until, tail, follow, signal } = options;
  checkAbortSignal(signal);
  const now = Date.now();
  const selection: Selection = {
    stdout: stdout === undefined || boolean('stdout', stdout),
    stderr: stderr === undefined || boolean('stderr', stderr),
    since: since === undefined ? undefined : parseTimeStamp('since', since, now),
    until: until === undefined ? undefined : parseUntil('until', until, now),
    tail:
      tail === undefined || tail === 'all'
        ? undefined
        : wholeNumber('tail', tail, 0, Number.MAX_SAFE_INTEGER),
    follow: follow !== undefined && boolean('follow', follow),
  };
  const { since: from, until: to } = selection;
  if (from !== undefined && to !== undefined && from > to)
    throw invalid('until', until, 'is before since');
  return selection;
}

async function* read(
  directory: string,
  selection: Selection,
  options: LogOptions,
): AsyncGenerator<LogEntry> {
  const { signal } = options;
  if (signal?.aborted === true) return;
  // Before the first look, so that nothing falls in between.
  const watch = selection.follow ? new DirectoryWatch(directory) : undefined;
  const follower = new Follower(directory, watch, selection, options);
  const unlisten = watch && signal && onAbort(signal, watch.wake);
  try {
    await follower.open();
    yield* follower.entries();
  } finally {
    unlisten?.();
    watch?.[Symbol.dispose]();
    await follower.close();
  }
}

class Follower {
  /** Still to be read, oldest first; the first is being read. */
  private files: RotatedFile[] = [];
  /** Without `follow`: where the newest file ended when it was opened. A writer may be faster than a reader. */
  private limit = Infinity;
  /** With `tail`: where each stream begins in the files that were there. */
  private starts: ReadonlyMap<RotatedFile, StreamStarts> = new Map();
  private over = false;
  private failure: unknown;

  constructor(
    private readonly directory: string,
    private readonly watch: DirectoryWatch | undefined,
    private readonly selection: Selection,
    private readonly options: LogOptions,
  ) {}

  async open(): Promise<void> {
    this.watchEnd();
    this.files = await openRotated(this.directory, LOG_FILE);
    const ends = await Promise.all(
      this.files.map(async (file) => ({ file, end: await file.size() })),
    );
    if (this.watch === undefined) this.limit = ends.at(-1)?.end ?? 0;
    const { tail } = this.selection;
    if (tail !== undefined) this.starts = await seekTail(ends, tail);
    this.options.onOpen?.();
  }

  async *entries(): AsyncGenerator<LogEntry> {
    for (;;) {
      const [file] = this.files;
      if (file !== undefined) {
        // Looked at before the file's end is: what is written until then is before that end.
        const last = this.files.length === 1;
        const over = this.isOver();
        const current = last && (await file.isAt(this.path));
        yield* this.linesOf(file, last);
        if (this.aborted) return;
        if (!last) {
          await this.leave(file);
          continue;
        }
        if (this.watch === undefined) return;
        if (!current) {
          const newer = await openRotated(this.directory, LOG_FILE, file);
          this.files.push(...newer);
          if (newer.length > 0) {
            // It was renamed before its last lines were read: no process writes to it any more.
            await this.leave(file);
            continue;
          }
        }
        if (over || (!current && (await this.isGone()))) return;
      } else {
        if (this.watch === undefined) return;
        const over = this.isOver();
        this.files = await openRotated(this.directory, LOG_FILE);
        if (this.files.length > 0) continue;
        if (over || (await this.isGone())) return;
      }
      if (this.isOver()) continue; // one more look, now that it is known to be over
      await this.watch.wait(this.untilEnd());
      if (this.aborted) return;
    }
  }

  async close(): Promise<void> {
    this.over = true;
    for (const file of this.files.splice(0)) await file.handle.close();
  }

  private get path(): string {
    return join(this.directory, LOG_FILE);
  }

  private get aborted(): boolean {
    return this.options.signal?.aborted === true;
  }

  private watchEnd(): void {
    const { watch } = this;
    if (watch === undefined) return;
    this.options
      .ended?.()
      .catch((error: unknown) => (this.failure = error ?? new Error('ended rejected')))
      .finally(() => {
        this.over = true;
        watch.wake();
      });
  }

  private isOver(): boolean {
    if (this.failure !== undefined) throw this.failure as Error;
    return this.over || this.untilEnd() <= 0;
  }

  /** Milliseconds until `until`. */
  private untilEnd(): number {
    const { until } = this.selection;
    return until === undefined ? Infinity : Number(until / 1_000_000n) + 1 - Date.now();
  }

  private async leave(file: RotatedFile): Promise<void> {
    if (file.unfinished) this.options.onDamaged?.();
    this.files.shift();
    await file.handle.close();
  }

  private async isGone(): Promise<boolean> {
    return stat(this.directory).then(
      () => false,
      (error: unknown) => isErrno(error, 'ENOENT'),
    );
  }

  private async *linesOf(file: RotatedFile, last: boolean): AsyncGenerator<LogEntry> {
    for (;;) {
      if (last && file.offset >= this.limit) return;
      let start = file.offset;
      const lines = await file.nextLines();
      if (lines === undefined || this.aborted) return;
      for (const line of lines) {
        if (last && start >= this.limit) return;
        const offset = start;
        start += line.length + 1;
        const decoded = decodeLine(line);
        if (decoded?.damaged !== false) this.options.onDamaged?.();
        if (decoded === undefined || !this.wants(decoded.entry)) continue;
        if (offset < (this.starts.get(file)?.[decoded.entry.stream] ?? 0)) continue;
        yield decoded.entry;
        if (this.aborted) return;
      }
    }
  }

  private wants(entry: LogEntry): boolean {
    const { since, until } = this.selection;
    if (!this.selection[entry.stream]) return false;
    if (since === undefined && until === undefined) return true;
    const time = nanosecondsOf(entry.time);
    if (time === undefined) return true; // its time is not known: better shown than lost
    return (since === undefined || time >= since) && (until === undefined || time <= until);
  }
}
