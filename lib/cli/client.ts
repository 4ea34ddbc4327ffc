/** The caller's terminal or streams, connected to a container that is kept: for run, start and attach. */
import { finished, type Readable, type Writable } from 'node:stream';
import type { Attached, AttachResult } from '../engine/attached.js';
import { ignoreSignals, proxySignals } from './signal-proxy.js';

/** Milliseconds for a program to notice a size. */
const REDRAW_PAUSE = 30;

export interface ClientOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly sigProxy: boolean;
  readonly detachKeys: Uint8Array;
  /** The terminal shows nothing yet: what is there is drawn anew. */
  readonly redraw?: boolean;
}

/** Resolves when the container has ended, or this client has left it. */
export function serveClient(attached: Attached, options: ClientOptions): Promise<AttachResult> {
  return options.tty ? withTerminal(attached, options) : withStreams(attached, options);
}

async function withTerminal(attached: Attached, options: ClientOptions): Promise<AttachResult> {
  const { callerSize, CallerTerminal } = await import('./terminal.js');
  const terminal = new CallerTerminal(
    {
      stdin: attached.stdin,
      stdout: attached.stdout,
      detach: () => attached.detach(),
      leave: () => attached.detach(),
      resize: (size) => attached.resize(size),
    },
    options.stdin,
    options.detachKeys,
  );
  try {
    const size = callerSize();
    if (size !== undefined) {
      // A change of size makes programs draw their screen again; the same size would be no change.
      if (options.redraw === true) {
        attached.resize({ cols: size.cols, rows: size.rows + 1 });
        // Two changes at once are one signal, after which the size is what it was.
        setTimeout(() => attached.resize(callerSize() ?? size), REDRAW_PAUSE).unref();
      } else attached.resize(size);
    }
    const result = await attached;
    if (!result.detached) await terminal.drained();
    return result;
  } finally {
    terminal.close();
  }
}

async function withStreams(attached: Attached, options: ClientOptions): Promise<AttachResult> {
  const release = options.sigProxy ? proxySignals(attached) : ignoreSignals();
  const shown = connectStreams(attached, options.stdin);
  try {
    const result = await attached;
    if (options.stdin) process.stdin.unpipe().pause();
    if (!result.detached) await shown();
    return result;
  } finally {
    release();
  }
}

/** What a program has of streams: in a container that is kept, or started in one. */
interface Streams {
  readonly stdin?: Writable | undefined;
  readonly stdout?: Readable | undefined;
  readonly stderr?: Readable | undefined;
}

/** The caller's own streams. The returned function resolves when all output has been written. */
export function connectStreams(program: Streams, input: boolean): () => Promise<unknown> {
  const ends: Promise<void>[] = [];
  for (const name of ['stdout', 'stderr'] as const) {
    const source = program[name];
    if (source === undefined) continue;
    source.pipe(process[name], { end: false });
    // A reader that goes away (`| head`) ends what this command shows, not the program.
    process[name].on('error', () => source.resume());
    ends.push(new Promise((resolve) => finished(source, { writable: false }, () => resolve())));
  }
  const { stdin } = program;
  if (input && stdin !== undefined) {
    // The program may end while input is under way.
    stdin.on('error', () => undefined);
    process.stdin.pipe(stdin);
  }
  return () => Promise.all(ends);
}
