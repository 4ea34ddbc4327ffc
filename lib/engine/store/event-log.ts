/**
 * The events of all containers, networks, volumes and images of a run root, one JSON object per line. Every process appends:
 * O_APPEND and one write(2)
 * keep lines whole and separate, because the kernel holds the inode's lock during a write.
 */
import { isErrno } from '../../base/errno.js';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { checkAbortSignal, onAbort } from '../../base/abort-signals.js';
import { invalid } from '../../base/check.js';
import { DirectoryWatch } from '../../base/directory-watch.js';
import { isAlive, ownerName } from '../../host/owner.js';
import { openRotated, type RotatedFile } from '../../base/rotated-files.js';
import { parseJson } from '../../base/storage.js';
import type { EngineEvent } from './stored.js';
import { parseTimeStamp, parseUntil, type TimeStamp } from '../../base/time-stamp.js';

export const EVENT_FILE = 'events';

/** Bytes; a file that has become larger is rotated, and the one before it dropped. */
export const EVENT_FILE_SIZE = 4 << 20;

/** Nanoseconds since 1970, as `timeNano` has them. Milliseconds are what this process's clock tells. */
export function timeNanoNow(): string {
  return String(BigInt(Date.now()) * 1_000_000n);
}

/**
 * Synchronous from opening to writing: a rotation in between leaves the line at the end of the file that was
 * just rotated, where readers look for a while, but not for ever.
 *
 * @throws ERR_EVENT_LOG
 */
export function appendEvent(runRoot: string, event: EngineEvent): void {
  const path = join(runRoot, EVENT_FILE);
  const { type, action, id, attributes, timeNano } = event;
  const line = Buffer.from(`${JSON.stringify({ type, action, id, attributes, timeNano })}\n`);
  let size: number;
  try {
    size = appendLine(path, line);
  } catch (cause) {
    const { syscall, code } = cause as NodeJS.ErrnoException;
    throw new CaissonError(
      'ERR_EVENT_LOG',
      `${path}: cannot be written: ${code ?? String(cause)}`,
      {
        path,
        syscall,
        errno: code,
        cause,
      },
    );
  }
  if (size < EVENT_FILE_SIZE) return;
  try {
    rotate(path);
  } catch {
    // The event is there. That the file could not be rotated is the next one's to try again.
  }
}

/** Returns the size that the file has now. */
function appendLine(path: string, line: Buffer): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    const written = writeSync(fd, line);
    if (written < line.length) {
      // The disk is full. What follows must not be taken for a part of this.
      writeSync(fd, '\n');
      throw Object.assign(new Error('short write'), { code: 'ENOSPC', syscall: 'write' });
    }
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

/**
 * Two processes that rotate at once would rename a fresh file over the full one. The process that has made the link
 * rotates, after another look at the size; the link of a dead process is removed.
 */
function rotate(path: string): void {
  const lock = `${path}.rotating`;
  const owner = ownerName();
  try {
    symlinkSync(owner, lock);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    const other = readlinkSync(lock);
    if (isAlive(other)) return;
    // Only if it is still the link that was looked at: otherwise another process was faster.
    if (readlinkSync(lock) === other) unlinkSync(lock);
    return; // the next event rotates
  }
  try {
    if (statSync(path).size >= EVENT_FILE_SIZE) renameSync(path, `${path}.1`);
  } finally {
    unlinkSync(lock);
  }
}

/** Which events are read. */
export interface EventOptions {
  /** Events from then on. Default: from now on. */
  readonly since?: TimeStamp | undefined;
  /** Events up to then; ends when it has come. Alone, it means all until then. */
  readonly until?: TimeStamp | undefined;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Only events for which it returns true. */
  readonly filter?: ((event: EngineEvent) => boolean) | undefined;
}

/**
 * As Docker's `events`: with `since` or `until` first what the files still hold, then what happens.
 *
 * From now on means from this call on, however late the first event is asked for.
 *
 * @throws ERR_INVALID_OPTION, at once
 */
export function followEvents(
  runRoot: string,
  options: EventOptions = {},
): AsyncGenerator<EngineEvent> {
  const now = Date.now();
  const { since, until } = options;
  checkAbortSignal(options.signal);
  const from = since === undefined ? undefined : parseTimeStamp('since', since, now);
  const to = until === undefined ? undefined : parseUntil('until', until, now);
  if (from !== undefined && to !== undefined && from > to)
    throw invalid('until', until, 'is before since');
  // Nothing is opened yet: a caller that never asks for the first event would never close it.
  const start = from === undefined && to === undefined ? endOf(runRoot) : undefined;
  return new EventReader(runRoot, from, to, start, options).events();
}

/** Between a rotation and the next event there is only the file before. */
function endOf(runRoot: string): BigIntStats | undefined {
  const look = (name: string) =>
    statSync(join(runRoot, name), { bigint: true, throwIfNoEntry: false });
  return look(EVENT_FILE) ?? look(`${EVENT_FILE}.1`);
}

class EventReader {
  /** Oldest first. The last but one is still read: another process may have had it open to write. */
  private files: RotatedFile[] = [];

  constructor(
    private readonly runRoot: string,
    private readonly from: bigint | undefined,
    private readonly to: bigint | undefined,
    /** The newest file, where reading does not begin with the oldest. */
    private readonly start: BigIntStats | undefined,
    private readonly options: EventOptions,
  ) {}

  async *events(): AsyncGenerator<EngineEvent> {
    const { signal } = this.options;
    using watch = new DirectoryWatch(this.runRoot);
    const unlisten = signal && onAbort(signal, watch.wake);
    try {
      await this.open();
      for (;;) {
        if (this.aborted) return;
        const over = this.untilEnd() <= 0;
        await this.findNewer();
        for (const file of [...this.files]) yield* this.eventsOf(file);
        while (this.files.length > 2) await this.files.shift()?.handle.close();
        if (over || this.aborted) return;
        if (this.untilEnd() > 0) await watch.wait(this.untilEnd());
      }
    } finally {
      unlisten?.();
      for (const file of this.files.splice(0)) await file.handle.close();
    }
  }

  private get aborted(): boolean {
    return this.options.signal?.aborted === true;
  }

  private async open(): Promise<void> {
    this.files = await openRotated(this.runRoot, EVENT_FILE);
    const { start } = this;
    const index = start === undefined ? -1 : this.files.findIndex((file) => file.is(start));
    for (const file of this.files.slice(0, Math.max(0, index))) file.seek(await file.size());
    if (start !== undefined) this.files[index]?.seek(Number(start.size));
  }

  private async findNewer(): Promise<void> {
    const last = this.files.at(-1);
    if (last !== undefined && (await last.isAt(join(this.runRoot, EVENT_FILE)))) return;
    this.files.push(...(await openRotated(this.runRoot, EVENT_FILE, last)));
  }

  private untilEnd(): number {
    return this.to === undefined ? Infinity : Number(this.to / 1_000_000n) + 1 - Date.now();
  }

  private async *eventsOf(file: RotatedFile): AsyncGenerator<EngineEvent> {
    for (;;) {
      const lines = await file.nextLines();
      if (lines === undefined || this.aborted) return;
      for (const line of lines) {
        const event = decodeEvent(line);
        if (event === undefined || !this.wants(event)) continue;
        yield event;
        if (this.aborted) return;
      }
    }
  }

  private wants(event: EngineEvent): boolean {
    const time = BigInt(event.timeNano);
    if (this.from !== undefined && time < this.from) return false;
    if (this.to !== undefined && time > this.to) return false;
    return this.options.filter?.(event) !== false;
  }
}

/**
 * Undefined for what is no event. Behind one that was cut short, because the disk was full, there may be a
 * whole one: its beginning cannot be a part of a text, where quotes are escaped.
 */
export function decodeEvent(line: Buffer): EngineEvent | undefined {
  const event = eventOf(line);
  if (event !== undefined) return event;
  const start = line.lastIndexOf('{"type":"');
  return start > 0 ? eventOf(line.subarray(start)) : undefined;
}

function eventOf(line: Buffer): EngineEvent | undefined {
  const value = parseJson(line.toString('utf8'));
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, action, id, attributes, timeNano } = value as Record<string, unknown>;
  const whole =
    (type === 'container' || type === 'network' || type === 'volume' || type === 'image') &&
    typeof action === 'string' &&
    typeof id === 'string' &&
    typeof attributes === 'object' &&
    attributes !== null &&
    !Array.isArray(attributes) &&
    Object.values(attributes).every((value) => typeof value === 'string') &&
    typeof timeNano === 'string' &&
    /^\d{1,19}$/.test(timeNano);
  return whole ? (value as EngineEvent) : undefined;
}
