/**
 * What signals do to a command. Node's defaults do not fit: USR1 opens its inspector, and others end the command, which
 * leaves a terminal in raw mode.
 *
 * | | a client that proxies | a client with --sig-proxy=false | exec | every other command |
 * |---|---|---|---|---|
 * | HUP, QUIT | to the container | ends it | ends it and the program | ends it |
 * | INT, TERM | to the container | the third ends it | ends it and the program | ends it |
 * | USR1, USR2, ALRM, VTALRM, PROF, IO, PWR, STKFLT | to the container | nothing | nothing | nothing |
 * | CONT | to the container | continues | continues | continues |
 * | XCPU, XFSZ, URG, CHLD | nothing | nothing | nothing | nothing |
 * | WINCH | the new size to a terminal | the same | the same | nothing |
 * | TSTP, TTIN, TTOU, STOP | stops it | the same | the same | the same |
 *
 * Clients are `run`, `start -a` and `attach`, with and without a terminal. A HUP because the terminal is gone ends them
 * as well. Real-time signals end everything: Node cannot catch them.
 */
import { constants } from 'node:os';
import { isatty } from 'node:tty';

/**
 * Programs do not expect these, and a Go program such as Docker's client takes no notice of them. Without XFSZ a write
 * beyond the limit fails with EFBIG, which is reported.
 */
const HARMLESS = [
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
] as const satisfies readonly NodeJS.Signals[];

/**
 * All but CHLD, PIPE, URG and WINCH, which are about this process (docker/cli container/signals.go), as XCPU and XFSZ
 * are; those that cannot be caught or mean a fault of this process; and TSTP, TTIN, TTOU, so that the shell's job
 * control stops this command.
 */
export const PROXIED: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGCONT',
  ...HARMLESS,
];

/** The number of INT or TERM signals that end a command which does not proxy, as in Docker. */
const PATIENCE = 3;

const nothing = (): void => undefined;

/** For the whole of this process, from its beginning. */
export function ignoreHarmlessSignals(): void {
  for (const signal of [...HARMLESS, 'SIGXCPU', 'SIGXFSZ'] as const) process.on(signal, nothing);
}

/** This command was ended by a signal; main ends the process by it after the cleanup. */
export class SignalError extends Error {
  /** @param status to exit with; missing: the process ends by the signal. */
  constructor(
    readonly signal: NodeJS.Signals,
    readonly status?: number,
  ) {
    super(`ended by ${signal}`);
    this.name = 'SignalError';
  }
}

/** Ends this process by the signal. Answers the exit code that says the same, should the signal be blocked. */
export function endBySignal(signal: NodeJS.Signals): number {
  // Node ignores PIPE, and libuv puts the default action back with the last listener.
  process.on(signal, nothing);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  return 128 + constants.signals[signal];
}

/** The part of a container or an Execution that signals need. */
export interface SignalTarget {
  kill(signal: NodeJS.Signals): unknown;
}

export interface SignalWatch {
  /** Rejects with a SignalError when this command has to end; never resolves. */
  readonly ended: Promise<never>;
  release(): void;
}

/** Passes signals on until it is released. */
export function proxySignals(target: SignalTarget): SignalWatch {
  return watch([], PROXIED, (signal) => {
    void Promise.resolve(target.kill(signal)).catch(nothing);
  });
}

/** `--sig-proxy=false`: this command survives INT and TERM, up to a point. */
export function ignoreSignals(): SignalWatch {
  let count = 0;
  return watch(['SIGHUP', 'SIGQUIT'], ['SIGINT', 'SIGTERM'], (signal, end) => {
    if (++count === PATIENCE) end(new SignalError(signal, 1));
  });
}

/** For a command that ends its program when it ends. */
export function endOnSignals(): SignalWatch {
  return watch(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'], [], nothing);
}

/** @param ending end the command; HUP always does if a terminal is gone. */
function watch(
  ending: readonly NodeJS.Signals[],
  heard: readonly NodeJS.Signals[],
  listener: (signal: NodeJS.Signals, end: (error: SignalError) => void) => void,
): SignalWatch {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  const added: (() => void)[] = [];
  const on = (signal: NodeJS.Signals, call: (signal: NodeJS.Signals) => void): void => {
    process.on(signal, call);
    added.push(() => process.off(signal, call));
  };
  const ended = new Promise<never>((_, reject) => {
    for (const signal of heard) on(signal, () => listener(signal, reject));
    const end = (signal: NodeJS.Signals): void => reject(new SignalError(signal));
    for (const signal of ending) on(signal, end);
    if (!ending.includes('SIGHUP'))
      on('SIGHUP', (signal) => {
        if (terminals.some((fd) => !isatty(fd))) end(signal);
      });
  });
  ended.catch(nothing);
  return { ended, release: () => added.splice(0).forEach((off) => off()) };
}

/** For a command that only shows something: aborted by INT and TERM, after which it exits with 0. */
export function abortedBySignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => controller.abort());
  return controller.signal;
}
