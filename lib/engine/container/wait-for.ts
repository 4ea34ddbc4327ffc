/** Waiting until a container is ready for what it was started for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../base/errors.js';
import { checkOptions, invalid, wholeNumber } from '../../base/check.js';
import { LineSearch } from '../../base/line-search.js';
import { listens } from '../../host/listening-port.js';
import type { LogEntry } from '../logs/log-entry.js';
import type { LogOptions } from '../logs/log-reader.js';
import type { ContainerInfo, StoredState } from '../store/stored.js';

const DEFAULT_TIMEOUT = 60_000;
/** Milliseconds between two looks at a port, or at the health. */
const LOOK = 20;

/** What `waitFor` waits for: one of these. */
export interface WaitCondition {
  /**
   * A line of stdout or of stderr, in the log of the present run, that contains the text, or of which the first 64 KiB,
   * without the line's end, match the pattern. What there is of a line that has no end yet counts.
   */
  readonly log?: string | RegExp | undefined;
  /** A TCP port on which something in the container listens. */
  readonly port?: number | undefined;
  /** Its health check says so. */
  readonly healthy?: true | undefined;
  /** Milliseconds; default 60,000. */
  readonly timeout?: number | undefined;
}

/** What is asked of the container meanwhile; any `Container` is one. */
interface Awaited {
  readonly id: string;
  readonly shortId: string;
  inspect(): Promise<ContainerInfo>;
  logs(options: LogOptions): AsyncIterable<LogEntry>;
}

export async function waitFor(container: Awaited, condition: WaitCondition): Promise<void> {
  const { log, port, healthy, timeout = DEFAULT_TIMEOUT } = checkOptions(condition, 'condition');
  if ([log, port, healthy].filter((wanted) => wanted !== undefined).length !== 1)
    throw invalid('condition', condition, 'does not name one of log, port and healthy');
  if (healthy !== undefined) await checkHealthy(container, healthy);
  const stop = new AbortController();
  const limit = wholeNumber('timeout', timeout, 1, 2 ** 31 - 1);
  const timer = setTimeout(() => stop.abort(), limit);
  try {
    const found =
      log !== undefined
        ? await lineAppears(container, log, stop.signal)
        : healthy !== undefined
          ? await becomesHealthy(container, stop.signal)
          : await portListens(container, wholeNumber('port', port, 1, 65_535), stop.signal);
    if (found) return;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  const what =
    log !== undefined
      ? `a line with ${String(log)}`
      : healthy !== undefined
        ? 'a successful health check'
        : `port ${String(port)}`;
  const { status } = await container.inspect();
  if (status === 'running' || status === 'paused') {
    throw new CaissonError('ERR_TIMEOUT', `${what} did not come within ${limit} ms`, {
      stage: 'config',
      path: container.id,
    });
  }
  throw new CaissonError(
    'ERR_CONTAINER_NOT_RUNNING',
    `container ${container.shortId} ended before ${what} came`,
    { stage: 'config', path: container.id },
  );
}

async function checkHealthy(container: Awaited, healthy: unknown): Promise<void> {
  if (healthy !== true) throw invalid('healthy', healthy, 'is not true');
  const { config } = await container.inspect();
  if (config.healthcheck === undefined)
    throw invalid('healthy', healthy, 'cannot be: the container has no health check');
}

async function becomesHealthy(container: Awaited, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const { health, status } = await container.inspect();
    if (status !== 'running' && status !== 'paused') return false;
    if (health?.status === 'healthy') return true;
    await sleep(LOOK);
  }
  return false;
}

async function lineAppears(
  container: Awaited,
  wanted: string | RegExp,
  signal: AbortSignal,
): Promise<boolean> {
  const since = runBegan((await container.inspect()).state);
  const lines = { stdout: new LineSearch(wanted), stderr: new LineSearch(wanted) };
  for await (const { stream, bytes, partial } of container.logs({ follow: true, since, signal })) {
    if (lines[stream].finds(bytes.toString('utf8'), partial)) return true;
  }
  return false;
}

/** When the run began whose log counts: the present one, the last one, or, between two, the next one. */
function runBegan({ status, startedAt, finishedAt }: StoredState): string | undefined {
  const began = status === 'restarting' ? finishedAt : startedAt;
  return began === '' ? undefined : began;
}

async function portListens(
  container: Awaited,
  port: number,
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    const { state, status } = await container.inspect();
    if (status !== 'running' && status !== 'paused') return false;
    if (await listens(state.pid, port)) return true;
    await sleep(LOOK);
  }
  return false;
}
