/** A process of caisson-archive that has a view of a container's files (cpp/archive/view_main.cpp). */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writeIdMaps } from '../host/write-id-maps.js';
import { archivePath } from '../native/load.js';
import { CaissonError } from '../base/errors.js';
import { viewError, type ViewFailure } from './view-error.js';
import { encodeRequest, type View, type ViewTask } from './view.js';

export interface ViewProcess {
  /** Undefined for tasks that read nothing. */
  readonly input: Writable | undefined;
  readonly output: Readable;
  /**
   * Resolves with what the task has reported when the process has ended and all its output was read.
   *
   * @throws why it failed
   */
  readonly done: Promise<string>;
  /** Ends it; `done` is rejected. */
  kill(): void;
  /** `done` is waited for: this process does not end before. */
  keep(): void;
}

/** Bytes of a report. */
const LONGEST_REPORT = 8192;

/** @param signal ends it; `done` is then rejected with the signal's reason */
export function startView(view: View, task: ViewTask, signal?: AbortSignal): ViewProcess {
  const users = view.kind === 'layers' || view.kind === 'changes' ? view.users : undefined;
  const reads = task.kind === 'extract' || task.kind === 'serve';
  signal?.throwIfAborted();
  const child = spawn(archivePath(), ['view'], {
    stdio: [
      reads ? 'pipe' : 'ignore',
      'pipe',
      'pipe',
      'pipe',
      users === undefined ? 'ignore' : 'pipe',
    ],
    env: {},
    cwd: '/',
  });
  const [input, output, report, request, channel] = child.stdio as unknown as [
    Writable | null,
    Readable,
    Readable,
    Writable,
    Socket | null,
  ];
  // What a process that has ended does not take is explained by its report.
  for (const stream of [request, input, channel]) stream?.on('error', () => undefined);
  request.end(encodeRequest(view, task));
  let said = '';
  report.setEncoding('latin1').on('data', (text: string) => {
    if (said.length < LONGEST_REPORT) said += text;
  });
  // One that serves does not keep this process from ending; it ends with it, as its input does.
  if (task.kind === 'serve') {
    child.unref();
    for (const stream of [report, request] as unknown as Socket[]) stream.unref();
  }
  const abort = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', abort, { once: true });
  const ended = new Promise<{ code: number | null; killedBy: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once('error', (cause) => {
        const message = 'caisson-archive cannot be run';
        reject(new CaissonError('ERR_NATIVE_LOAD', message, { stage: 'config', cause }));
      });
      child.once('close', (code, killedBy) => resolve({ code, killedBy }));
    },
  );
  const mapped =
    channel === null || users === undefined
      ? Promise.resolve()
      : writeIdMaps(channel, users).finally(() => channel.destroy());
  const finish = async (): Promise<string> => {
    try {
      // The process cannot go on without its ids.
      await mapped.catch((error: unknown) => {
        abort();
        throw error;
      });
      const { code, killedBy } = await ended;
      signal?.throwIfAborted();
      const failure = parseReport(said);
      if (failure !== undefined && code === 0 && failure.errno === 0) return failure.path;
      throw viewError(task, failure ?? { errno: 0, call: '', path: '' }, killedBy);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
  const done = finish();
  done.catch(() => undefined);
  const keep = () => {
    child.ref();
    for (const stream of [output, report] as unknown as Socket[]) stream.ref();
  };
  return { input: input ?? undefined, output, done, kill: abort, keep };
}

/** Its output goes to the stream, which ends when it is known that nothing is missing. @throws why it failed */
export async function copyOutput(
  { output, done }: ViewProcess,
  stream: PassThrough,
  signal?: AbortSignal,
): Promise<void> {
  await pipeline(output, stream, { end: false, signal });
  await done;
  stream.end();
}

/** The last line: an errno, what has failed, and a path with `%XX` for special bytes. */
function parseReport(said: string): ViewFailure | undefined {
  const match = /^(\d{1,5}) (\S{1,64}) (\S*)\n$/.exec(said);
  if (match === null) return undefined;
  const [, errno = '', call = '', path = ''] = match;
  const bytes = path.replace(/%([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return { errno: Number(errno), call, path: Buffer.from(bytes, 'latin1').toString('utf8') };
}
