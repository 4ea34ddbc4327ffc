/** The result of a run. */
import type { Pieces } from '../../base/pieces.js';
import type { PolicyReport } from '../../network/policy/denied.js';
import type { Timeline } from '../../program/timeline.js';

/** How a `run` or `exec` ended. A time-out, a signal and another exit code than 0 are results, too, and no errors. */
export interface RunResult {
  /** Long id. */
  readonly id: string;
  /** The program's own; 128+n when signal n ended it. */
  readonly exitCode: number;
  /** `SIGKILL`, when a signal ended it. */
  readonly signal?: string | undefined;
  /** What was captured, up to `maxOutput`. With a terminal everything is in `stdout`. */
  readonly stdout: string;
  /** The same of standard error. */
  readonly stderr: string;
  /** The kernel killed a process of the container for want of memory. */
  readonly oomKilled: boolean;
  /** `timeout` ended it. */
  readonly timedOut: boolean;
  /** The AbortSignal ended it. */
  readonly aborted: boolean;
  /** More came than `maxOutput`; where the stream had no reader, that ended it. */
  readonly outputTruncated: boolean;
  /** How the start went, step by step. */
  readonly timeline: Timeline;
  /** Of `exec`: it runs on without this process, because of `detach` or `detach()`. The exit code is 0. */
  readonly detached: boolean;
  /** Milliseconds from the call to the end. */
  readonly durationMs: number;
  /** What its policy has refused; undefined without one. */
  readonly network?: PolicyReport | undefined;
}

/** Bytes: of what is longer the text is made when it is asked for. Most often a reader has had it before. */
const DECODED_AT_ONCE = 64 << 10;

/** Makes a result's `name` the text of what was captured, when it is asked for. */
function decodeLater(result: RunResult, name: 'stdout' | 'stderr', captured?: Pieces): void {
  let pieces = captured;
  let text = '';
  const get = () => {
    if (pieces !== undefined) text = pieces.text();
    pieces = undefined;
    return text;
  };
  Object.defineProperty(result, name, { enumerable: true, get });
}

function isLarge(captured: Pieces | undefined): boolean {
  return captured !== undefined && captured.size > DECODED_AT_ONCE;
}

export class Result implements RunResult {
  declare readonly stdout: string;
  declare readonly stderr: string;
  declare readonly network?: PolicyReport;
  #timeline: Timeline | (() => Timeline);

  constructor(
    readonly id: string,
    readonly exitCode: number,
    readonly signal: string | undefined,
    stdout: Pieces | undefined,
    stderr: Pieces | undefined,
    readonly oomKilled: boolean,
    readonly timedOut: boolean,
    readonly aborted: boolean,
    readonly outputTruncated: boolean,
    readonly detached: boolean,
    readonly durationMs: number,
    draw: () => Timeline,
    network?: PolicyReport,
  ) {
    if (network !== undefined) this.network = network;
    // As plain properties, which cost a start nothing, wherever that is no waste.
    if (isLarge(stdout)) decodeLater(this, 'stdout', stdout);
    else this.stdout = stdout?.text() ?? '';
    if (isLarge(stderr)) decodeLater(this, 'stderr', stderr);
    else this.stderr = stderr?.text() ?? '';
    this.#timeline = draw;
  }

  get timeline(): Timeline {
    if (typeof this.#timeline === 'function') this.#timeline = this.#timeline();
    return this.#timeline;
  }
}
