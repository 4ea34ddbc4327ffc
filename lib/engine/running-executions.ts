/** The executions of an engine that have not ended yet: `close` ends them, and waits for that. */

interface Killable {
  kill(): void;
}

export class RunningExecutions {
  /** Nothing more is started. */
  closed = false;
  private readonly all = new Set<Killable>();
  private whenNone: (() => void) | undefined;

  add(execution: Killable): void {
    this.all.add(execution);
  }

  /** Nothing of it is left, or was ever made. */
  remove(execution: Killable): void {
    this.all.delete(execution);
    if (this.all.size === 0) this.whenNone?.();
  }

  kill(): void {
    for (const execution of this.all) execution.kill();
  }

  async none(): Promise<void> {
    if (this.all.size > 0) await new Promise<void>((resolve) => (this.whenNone = resolve));
  }
}
