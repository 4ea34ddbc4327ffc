/** `--ulimit`: resource limits of the container's processes (getrlimit(2)). */
import type { PosixRlimit } from '../../oci/runtime-spec.js';
import { invalid, isRecordOrList } from '../../base/check.js';
import type { ResourceOptions, Ulimit } from './options.js';

/** "No limit". RLIM_INFINITY is 2^64-1, which is this as a JavaScript number. */
export const RLIM_INFINITY = 2 ** 64;

/** Docker's names (go-units ulimit.go) and the kernel's. */
const TYPES: ReadonlyMap<string, string> = new Map(
  [
    'core',
    'cpu',
    'data',
    'fsize',
    'locks',
    'memlock',
    'msgqueue',
    'nice',
    'nofile',
    'nproc',
    'rss',
    'rtprio',
    'rttime',
    'sigpending',
    'stack',
  ].map((name) => [name, `RLIMIT_${name.toUpperCase()}`]),
);

const NONE: readonly PosixRlimit[] = Object.freeze([]);
const ASSIGNMENT = /^([^=]+)=(-?\d{1,16})(?::(-?\d{1,16}))?$/;

export function normalizeUlimits(value: ResourceOptions['ulimits']): readonly PosixRlimit[] {
  if (value === undefined) return NONE;
  if (!isRecordOrList(value)) throw invalid('ulimits', value, 'is neither a record nor an array');
  const limits = new Map<string, PosixRlimit>();
  if (Array.isArray(value)) {
    for (const text of value as readonly unknown[]) {
      const match = typeof text === 'string' ? ASSIGNMENT.exec(text) : null;
      if (match === null)
        throw invalid('ulimits', text, 'is not NAME=soft[:hard]', 'such as nofile=1024:2048');
      const soft = Number(match[2]);
      set(limits, text, match[1] ?? '', soft, match[3] === undefined ? soft : Number(match[3]));
    }
  } else {
    for (const [name, limit] of Object.entries(
      value as Readonly<Record<string, number | Ulimit>>,
    )) {
      if (typeof limit === 'number') set(limits, limit, name, limit, limit);
      else if (typeof limit === 'object' && limit !== null)
        set(limits, limit, name, limit.soft, limit.hard ?? limit.soft);
      else throw invalid('ulimits', { [name]: limit }, 'is not a number or { soft, hard }');
    }
  }
  return [...limits.values()];
}

function set(
  limits: Map<string, PosixRlimit>,
  given: unknown,
  name: string,
  soft: number,
  hard: number,
): void {
  const type = TYPES.get(name);
  if (type === undefined)
    throw invalid(
      'ulimits',
      name,
      'is not the name of a limit',
      `one of ${[...TYPES.keys()].join(', ')}`,
    );
  if (!Number.isSafeInteger(soft) || !Number.isSafeInteger(hard))
    throw invalid('ulimits', given, 'is not a whole number');
  if (soft < -1 || hard < -1) throw invalid('ulimits', given, 'is negative', '-1 is "no limit"');
  const softLimit = soft === -1 ? RLIM_INFINITY : soft;
  const hardLimit = hard === -1 ? RLIM_INFINITY : hard;
  if (softLimit > hardLimit)
    throw invalid('ulimits', given, `has a soft limit above the hard limit of ${name}`);
  limits.set(type, { type, soft: softLimit, hard: hardLimit });
}
