/** Signals that this command gets and the container is meant to have. */

/**
 * All but CHLD, PIPE, URG and WINCH, which are about this process (docker/cli container/signals.go); those
 * that cannot be caught or mean a fault of this process; and TSTP, TTIN, TTOU, so that the shell's job
 * control stops this command.
 */
const PROXIED: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGCONT',
];

/** How many times INT or TERM must come before a command that does not proxy gives up, as Docker's does. */
const PATIENCE = 3;

/** What of an Execution the proxy needs. */
export interface SignalTarget {
  kill(signal: NodeJS.Signals): unknown;
}

/** Passes signals on until the returned function is called. */
export function proxySignals(target: SignalTarget): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    void Promise.resolve(target.kill(signal)).catch(() => undefined);
  };
  for (const signal of PROXIED) process.on(signal, onSignal);
  return () => {
    for (const signal of PROXIED) process.off(signal, onSignal);
  };
}

/** `--sig-proxy=false`: this command survives INT and TERM, up to a point. */
export function ignoreSignals(): () => void {
  let count = 0;
  const onSignal = (): void => {
    if (++count < PATIENCE) return;
    process.exit(1);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}
