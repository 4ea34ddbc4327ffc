/** What a supervisor has written, read back: it counts only if it is whole. */
import { parseJson } from '../../base/storage.js';
import type {
  HealthResult,
  HealthStatus,
  StoredHealth,
  StoredState,
  StoredStatus,
} from './stored.js';

/** The state of a container that has no state file yet. */
export const CREATED: StoredState = {
  status: 'created',
  pid: 0,
  startTime: '',
  supervisor: '',
  idBase: 0,
  startedAt: '',
  finishedAt: '',
  exitCode: 0,
  oomKilled: false,
  error: '',
  restartCount: 0,
  stopped: false,
  logLost: 0,
};

const STATUSES: ReadonlySet<StoredStatus> = new Set([
  'created',
  'running',
  'restarting',
  'exited',
  'removing',
]);

const HEALTH_STATUSES: ReadonlySet<HealthStatus> = new Set(['starting', 'healthy', 'unhealthy']);

/** Undefined for a text that is not a whole state. A field that an earlier version did not write has its value of CREATED. */
export function parseState(text: string): StoredState | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const state = { ...CREATED, ...value };
  const whole =
    'pid' in value &&
    'supervisor' in value &&
    'exitCode' in value &&
    Object.entries(CREATED).every(
      ([name, first]) => typeof state[name as keyof StoredState] === typeof first,
    ) &&
    STATUSES.has(state.status) &&
    [state.pid, state.idBase, state.exitCode, state.restartCount, state.logLost].every(
      Number.isSafeInteger,
    );
  return whole ? state : undefined;
}

/** Undefined for a text that is not what a supervisor writes of health checks. */
export function parseHealth(text: string): StoredHealth | undefined {
  const health = parseJson(text) as Partial<StoredHealth> | null | undefined;
  const whole =
    typeof health === 'object' &&
    health !== null &&
    HEALTH_STATUSES.has(health.status!) &&
    Number.isInteger(health.failingStreak) &&
    Array.isArray(health.log) &&
    health.log.every(isHealthResult);
  return whole ? (health as StoredHealth) : undefined;
}

function isHealthResult(value: unknown): value is HealthResult {
  const result = value as Partial<HealthResult> | null;
  return (
    typeof result === 'object' &&
    result !== null &&
    [result.start, result.end, result.output].every((text) => typeof text === 'string') &&
    Number.isInteger(result.exitCode)
  );
}
