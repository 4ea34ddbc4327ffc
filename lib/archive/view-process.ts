/** A process of caisson-archive that has a view of a container's files (cpp/archive/view_main.cpp). */
import type { Socket } from 'node:net';
import type { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { signalName } from '../base/signals.js';
import { writeIdMaps } from '../host/write-id-maps.js';
import { HelperProcess } from '../native/helper-process.js';
import { archivePath } from '../native/load.js';
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
  const helper = new HelperProcess(archivePath(), ['view'], [
    reads ? 'in' : undefined,
    'out',
    'out',
    'in',
    users && 'both',
  ]); // prettier-ignore
  const [input, output, report, request, channel] = helper.streams as readonly [
    Socket | undefined,
    Socket,
    Socket,
    Socket,
    Socket | undefined,
  ];
  // What a process that has ended does not take is explained by its report.
  for (const stream of [report, request, input, channel]) stream?.on('error', () => undefined);
  request.end(encodeRequest(view, task));
  let said = '';
  report.setEncoding('latin1').on('data', (text: string) => {
    if (said.length < LONGEST_REPORT) said += text;
  });
  // One that serves does not keep this process from ending; it ends with it, as its input does.
  if (task.kind === 'serve') for (const stream of [report, request]) stream.unref();
  const kill = () => helper.kill();
  signal?.addEventListener('abort', kill, { once: true });
  const mapped =
    channel === undefined || users === undefined ? undefined : writeIdMaps(channel, users);
  // The process cannot go on without its ids.
  mapped?.catch(kill).finally(() => channel?.destroy());
  // It has the other ends until it ends.
  const [reported, wasRead] = [report, output].map(closed);
  const finish = async (): Promise<string> => {
    try {
      await reported;
      const { code, signal: number } = await helper.end();
      for (const stream of [input, request, channel]) stream?.destroy();
      // What no caller reads.
      if (output.readableFlowing === null) output.resume();
      await wasRead;
      signal?.throwIfAborted();
      await mapped;
      const failure = parseReport(said);
      if (failure !== undefined && code === 0 && failure.errno === 0) return failure.path;
      const killedBy = number === 0 ? undefined : signalName(number);
      throw viewError(task, failure ?? { errno: 0, call: '', path: '' }, killedBy);
    } finally {
      signal?.removeEventListener('abort', kill);
    }
  };
  const done = finish();
  done.catch(() => undefined);
  const keep = () => {
    for (const stream of [output, report]) stream.ref();
  };
  return { input, output, done, kill, keep };
}

function closed(stream: Socket): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
  });
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
