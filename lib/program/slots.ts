/** Hands out the machine's registers for descriptors. */
export class Slots {
  count = 0;

  take(): number {
    return this.count++;
  }
}

/** Slots that the starting process needs to know. */
export interface LaunchSlots {
  /** Node's ends of the standard streams; undefined where there is no pipe. */
  readonly stdin?: number | undefined;
  readonly stdout?: number | undefined;
  readonly stderr?: number | undefined;
  /** The container's ends of its output. */
  readonly stdoutInside?: number | undefined;
  readonly stderrInside?: number | undefined;
  /** The file that counts OOM kills. */
  readonly oom?: number | undefined;
  /** The connection to the resolver, which tells whether a name was refused. */
  readonly notices?: number | undefined;
  /** They stay open until teardown, so that freeing what they refer to does not delay the result. */
  readonly hold: readonly number[];
}
