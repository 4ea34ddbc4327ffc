/** A client that is attached to a container from the beginning of its start. */
import type { Timeline } from '../../program/timeline.js';
import type { RunOptions } from '../options/options.js';
import type { SupervisorConnection, SupervisorListener } from './supervisor-connection.js';

export interface FirstClient {
  /** What it is attached to: bits of ATTACH. */
  readonly bits: number;
  readonly listener: SupervisorListener;
  /** The container ends with it. */
  readonly bound?: boolean | undefined;
  /** Which of the program's streams it gets; "inherit" is allowed for a bound client. */
  readonly stdio?: Pick<RunOptions, 'stdin' | 'stdout' | 'stderr'> | undefined;
  /** Set by the start: makes a timeline of the supervisor's timestamps. */
  draw: ((timestamps: Float64Array) => Timeline) | undefined;
  connect(connection: SupervisorConnection): void;
}
