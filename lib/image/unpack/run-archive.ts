/** Runs caisson-archive (cpp/archive): one process for each archive. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CaissonError } from '../../base/errors.js';
import { isErrno } from '../../base/errno.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { writeIdMaps } from '../../host/write-id-maps.js';
import { archivePath } from '../../native/load.js';
import { LONGEST_REPORT } from './archive-report.js';

export interface ArchiveCommand {
  readonly subcommand: string;
  /** `key=value` of the subcommand (cpp/archive/archive_commands.h). */
  readonly settings: Readonly<Record<string, number | undefined>>;
  /** A stream, which is destroyed if it is not read to its end; or a descriptor, which stays open. */
  readonly input: Readable | number | null;
  /** What the process has as its root. */
  readonly directory: string;
  /** Of a rootless user: the process is root in a user namespace with these ids. */
  readonly users?: UserNamespaceIds | undefined;
  /** A second archive, for the subcommands that take one. */
  readonly directories?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns the report's text; empty if the process was killed before it had written one
 * @throws ERR_NATIVE_LOAD, ERR_NO_PRIVILEGES; the signal's reason; the error of the input
 */
export async function runArchive(command: ArchiveCommand): Promise<string> {
  const { signal, input } = command;
  signal?.throwIfAborted();
  const child = start(command);
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new CaissonError('ERR_NATIVE_LOAD', 'caisson-archive cannot be run', { stage: 'image', cause })); // prettier-ignore
    });
    child.once('close', () => {
      resolve();
    });
  });
  ended.catch(() => undefined);
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const report = readReport(child);
    const fed = feed(child, input);
    const mapped = command.users === undefined ? undefined : mapIds(child, command.users);
    // What fails here leaves nothing for the process to do.
    feedDirectories(child, command.directories);
    const working = Promise.all([fed, mapped]);
    working.catch(kill);
    await ended;
    signal?.throwIfAborted();
    await working;
    return await report;
  } finally {
    signal?.removeEventListener('abort', kill);
    kill();
  }
}

function start(command: ArchiveCommand): ChildProcess {
  const { subcommand, settings, input, directory, users, directories } = command;
  const all: Readonly<Record<string, number | undefined>> = {
    ...settings,
    ...(directories && { directories: 1 }),
    ...(users && { 'user-namespace': 1, devices: 0, 'one-id': users.lack === undefined ? 0 : 1 }),
  };
  const args = Object.entries(all).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const root = openSync(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    return spawn(archivePath(), [subcommand, ...args], {
      stdio: [
        typeof input === 'number' ? input : input === null ? 'ignore' : 'pipe',
        'ignore',
        'ignore',
        'pipe',
        root,
        users === undefined ? 'ignore' : 'pipe',
        directories === undefined ? 'ignore' : 'pipe',
      ],
      env: {},
    });
  } finally {
    closeSync(root);
  }
}

async function mapIds(child: ChildProcess, users: UserNamespaceIds): Promise<void> {
  const channel = (child.stdio as readonly unknown[])[5] as Socket;
  channel.on('error', () => undefined);
  await writeIdMaps(channel, users);
}

function feedDirectories(child: ChildProcess, directories: Buffer | undefined): void {
  if (directories === undefined) return;
  const channel = (child.stdio as readonly unknown[])[6] as Socket;
  // A process that has ended says why in its report.
  channel.on('error', () => undefined);
  channel.end(directories);
}

/** The process ends before its input when it refuses the archive: that is in its report. */
async function feed(child: ChildProcess, input: ArchiveCommand['input']): Promise<void> {
  const { stdin } = child;
  if (typeof input === 'number' || input === null || stdin === null) return;
  try {
    await pipeline(input, stdin);
  } catch (error) {
    if (!isErrno(error, 'EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
  }
}

async function readReport(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of child.stdio[3] as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LONGEST_REPORT) return '';
      chunks.push(chunk);
    }
  } catch {
    return '';
  }
  return Buffer.concat(chunks).toString('latin1');
}
