/** Runs caisson-archive (cpp/archive): one process for each archive. */
import { closeSync, constants, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isErrno } from '../../base/errno.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { writeIdMaps } from '../../host/write-id-maps.js';
import { HelperProcess } from '../../native/helper-process.js';
import { archivePath, loadNative } from '../../native/load.js';
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
  const { signal, input, users, directories } = command;
  signal?.throwIfAborted();
  const helper = start(command);
  const kill = () => helper.kill();
  signal?.addEventListener('abort', kill, { once: true });
  const [stdin, , , reports, , channel, second] = helper.streams;
  // What a process that has ended does not take is explained by its report.
  for (const stream of helper.streams) stream?.on('error', () => undefined);
  try {
    // It has the other end until it ends.
    const report = readReport(reports!, kill);
    // Without its input or its ids it cannot go on.
    const working = Promise.all([feed(input, stdin), users && writeIdMaps(channel!, users)]);
    working.catch(kill);
    if (directories !== undefined) second?.end(directories);
    const text = await report;
    await helper.end();
    // An input that waits for the process to take more.
    for (const stream of helper.streams) stream?.destroy();
    signal?.throwIfAborted();
    await working;
    return text;
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

function start(command: ArchiveCommand): HelperProcess {
  const { subcommand, settings, input, directory, users, directories } = command;
  // That of others has its owner in another user namespace.
  const network = users === undefined ? loadNative().emptyNetwork() : -1;
  const all: Readonly<Record<string, number | undefined>> = {
    ...settings,
    ...(directories && { directories: 1 }),
    ...(network >= 0 && { network: 1 }),
    ...(users && { 'user-namespace': 1, devices: 0, 'one-id': users.lack === undefined ? 0 : 1 }),
  };
  const args = Object.entries(all).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const root = openSync(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    // cpp/archive/archive_commands.h
    return new HelperProcess(archivePath(), [subcommand, ...args], [
      typeof input === 'number' ? input : input === null ? undefined : 'in',
      undefined,
      undefined,
      'out',
      root,
      users && 'both',
      directories && 'in',
      network < 0 ? undefined : network,
    ]); // prettier-ignore
  } finally {
    closeSync(root);
  }
}

/** The process ends before its input when it refuses the archive: that is in its report. */
async function feed(input: ArchiveCommand['input'], to: Socket | undefined): Promise<void> {
  if (typeof input === 'number' || input === null || to === undefined) return;
  try {
    await pipeline(input, to);
  } catch (error) {
    if (!isErrno(error, 'EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
  }
}

/** Resolves when the process has ended, or was killed since it says too much. */
async function readReport(stream: Socket, kill: () => void): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= LONGEST_REPORT) chunks.push(chunk);
      else kill();
    }
  } catch {
    return '';
  }
  return size > LONGEST_REPORT ? '' : Buffer.concat(chunks).toString('latin1');
}
