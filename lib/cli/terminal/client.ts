/** The caller's terminal or streams, connected to a detached container: for run, start and attach. */
import type { Readable, Writable } from 'node:stream';
import type { AttachResult } from '../../engine/supervisor/attach-controller.js';
import type { Attached } from '../../engine/supervisor/attached.js';
import { OutputError } from './output.js';
import { showOutput, type ShownOutput } from './output-stream.js';
import { print } from '../report.js';
import { ignoreSignals, proxySignals, SignalError } from './command-signals.js';

/** Milliseconds for a program to notice a size. */
const REDRAW_PAUSE = 30;

export interface ClientOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly sigProxy: boolean;
  readonly detachKeys: Uint8Array;
  /** The terminal shows nothing yet: the program is made to redraw its screen. */
  readonly redraw?: boolean;
  /**
   * For a container with --rm that this client started: it is ended if the client can no longer show its output. Other
   * containers keep running.
   */
  readonly endsContainer?: boolean;
}

/**
 * Resolves when the container has ended, or this client has left it.
 *
 * @throws OutputError, SignalError where this client had to leave it.
 */
export async function serveClient(
  attached: Attached,
  options: ClientOptions,
): Promise<AttachResult> {
  const signals = options.sigProxy ? proxySignals(attached) : ignoreSignals();
  const serve = options.tty ? withTerminal : withStreams;
  try {
    return await serve(attached, options, signals.ended);
  } catch (error) {
    if (error instanceof OutputError || error instanceof SignalError) {
      attached.detach();
      if (options.endsContainer === true) await attached.kill('SIGKILL').catch(() => undefined);
    }
    throw error;
  } finally {
    signals.release();
  }
}

async function withTerminal(
  attached: Attached,
  options: ClientOptions,
  ended: Promise<never>,
): Promise<AttachResult> {
  const { callerSize, CallerTerminal } = await import('./caller-terminal.js');
  const terminal = new CallerTerminal(
    {
      stdin: attached.stdin,
      stdout: attached.stdout,
      detach: () => attached.detach(),
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
        // Two immediate changes would be one signal, after which the size is unchanged.
        setTimeout(() => attached.resize(callerSize() ?? size), REDRAW_PAUSE).unref();
      } else attached.resize(size);
    }
    const result = await Promise.race([attached, ended, terminal.lost]);
    if (!result.detached) await terminal.shown();
    return result;
  } finally {
    terminal.close();
  }
}

async function withStreams(
  attached: Attached,
  options: ClientOptions,
  ended: Promise<never>,
): Promise<AttachResult> {
  const streams = connectStreams(attached, options.stdin);
  const result = await Promise.race([attached, ended, streams.lost]);
  if (options.stdin) process.stdin.unpipe().pause();
  if (!result.detached) await streams.shown();
  return result;
}

/** The streams of a program that is a detached container's first, or that was started in one. */
interface Streams {
  readonly stdin?: Writable | undefined;
  readonly stdout?: Readable | undefined;
  readonly stderr?: Readable | undefined;
}

/** The caller's own streams. */
export function connectStreams(program: Streams, input: boolean): ShownOutput {
  const outputs: ShownOutput[] = [];
  if (program.stdout !== undefined) outputs.push(showOutput(program.stdout, 1));
  if (program.stderr !== undefined) outputs.push(showOutput(program.stderr, 2));
  const { stdin } = program;
  if (input && stdin !== undefined) {
    // The program may end while input is in transit.
    stdin.on('error', () => undefined);
    process.stdin.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      print(2, `caisson: standard input cannot be read: ${code ?? message}\n`);
      stdin.end();
    });
    process.stdin.pipe(stdin);
  }
  const lost = Promise.race(outputs.map((output) => output.lost));
  lost.catch(() => undefined);
  return {
    lost,
    async shown() {
      await Promise.all(outputs.map((output) => output.shown()));
    },
  };
}
