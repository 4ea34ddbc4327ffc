/** `Engine.pool`. */
import { invalid } from '../base/check.js';
import type { RootfsImage } from '../image/rootfs.js';
import type { EngineContext } from './engine-context.js';
import type { RunOptions } from './options/options.js';
import { openPool, type Pool } from './pool/pool.js';
import { normalizePool, type PoolOptions, type PoolRunOptions } from './pool/pool-options.js';
import { copyOf } from './start/prepared-start.js';
import { startRun, withGiven } from './start-run.js';

export async function poolOf(
  context: EngineContext,
  image: string | RootfsImage,
  argv: readonly string[],
  options: PoolRunOptions,
  pool: PoolOptions,
): Promise<Pool> {
  for (const name of ['signal', 'stdin'] as const) {
    const value = (options as RunOptions)[name];
    if (value !== undefined) throw invalid(name, value, 'is an option of a job', 'see Pool.run');
  }
  const { size, readiness } = normalizePool(pool);
  const { stdout = 'pipe', stderr = 'pipe', tty } = options;
  const log = readiness.condition?.log;
  if (log !== undefined && stdout !== 'pipe' && (stderr !== 'pipe' || tty))
    throw invalid('ready.log', log, 'is in no output that is a pipe', "stdout or stderr: 'pipe'");
  // The caller may change them later.
  const given = copyOf(argv, options.env);
  const all: RunOptions = { ...options, env: given.env, stdin: 'pipe' };
  // Its templates are not those of other starts, which do not park.
  const parked: EngineContext = { ...context, parks: true };
  return openPool({
    start: (job, waiting) => {
      const { argv, env, workdir } = withGiven(given.argv, all, job);
      const { timeout = all.timeout, signal } = job;
      // Of one that waits, these begin with the job (`ExecutionController.begin`).
      const limits = waiting === undefined ? { timeout, signal } : { timeout: undefined };
      const own = waiting?.parked === undefined ? context : parked;
      return startRun(own, image, argv, { ...all, env, workdir, ...limits }, waiting);
    },
    options: all,
    size,
    readiness,
    // A rootless user's containers are started by supervisors.
    parks: readiness.condition === undefined && context.users === undefined,
  });
}
