/** What may be asked of `attach`. */
import { invalid, isRecord } from '../../base/check.js';
import { normalizeMaxLine } from '../../base/lines.js';
import type { Size } from '../../base/units.js';

/** Whether a stream is attached: `pipe` is true; `ignore` and `null` are false. */
export type AttachStream = boolean | 'pipe' | 'ignore' | 'null';

/** Which streams are attached. */
export interface AttachOptions {
  /** Default: true where the container has an input that stays open. */
  readonly stdin?: AttachStream | undefined;
  /** Default true. */
  readonly stdout?: AttachStream | undefined;
  /** Default true. */
  readonly stderr?: AttachStream | undefined;
  /** Bytes of a line when this is iterated over; a longer one is ERR_LINE_TOO_LONG. Default 1 MiB. */
  readonly maxLine?: Size | undefined;
}

export interface AttachedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Bytes. */
  readonly maxLine: number;
}

const NAMES = new Set(['stdin', 'stdout', 'stderr', 'maxLine']);

/** @throws ERR_INVALID_OPTION */
export function attachedStreams(options: AttachOptions): AttachedStreams {
  if (!isRecord(options)) throw invalid('options', options, 'is not an object');
  for (const key in options) {
    if (!NAMES.has(key))
      throw invalid(key, (options as Record<string, unknown>)[key], 'is not an option of attach');
  }
  const attaches = (name: 'stdin' | 'stdout' | 'stderr'): boolean => {
    const value = options[name] ?? true;
    if (typeof value === 'boolean') return value;
    if (value === 'pipe') return true;
    if (value === 'ignore' || value === 'null') return false;
    throw invalid(name, value, 'is not one of true, false, pipe, ignore');
  };
  return {
    stdin: attaches('stdin'),
    stdout: attaches('stdout'),
    stderr: attaches('stderr'),
    maxLine: normalizeMaxLine(options.maxLine),
  };
}
