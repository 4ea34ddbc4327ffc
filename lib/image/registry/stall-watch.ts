/** Ends a transfer that makes no progress: also one of a byte now and then. */

/** Bytes that have to arrive in the time of one limit: a modem is faster. */
const LEAST = 1024;

/** The time in which the caller, and not the network, is slow does not count. */
export class StallWatch {
  readonly #timer: NodeJS.Timeout;
  #waitingSince: number | undefined;
  #waited = 0;
  #moved = 0;
  #limit: number;

  /** @param limit milliseconds; `expired` may be called up to half as much later. */
  constructor(limit: number, expired: () => void) {
    this.#limit = limit;
    this.#timer = setInterval(
      () => {
        const now = performance.now();
        if (this.#waitingSince !== undefined) {
          this.#waited += now - this.#waitingSince;
          this.#waitingSince = now;
        }
        if (this.#waited < this.#limit) return;
        if (this.#moved < LEAST) {
          this.stop();
          expired();
        }
        this.#waited = 0;
        this.#moved = 0;
      },
      Math.max(1, limit / 2),
    ).unref();
  }

  /**
   * From now on the network is waited for.
   *
   * @param limit another one than that of the constructor, for good.
   */
  wait(limit = this.#limit): void {
    this.#limit = limit;
    this.#waitingSince ??= performance.now();
  }

  /** Bytes have arrived or were sent; the network is not waited for any more. */
  moved(bytes: number): void {
    if (this.#waitingSince !== undefined) this.#waited += performance.now() - this.#waitingSince;
    this.#waitingSince = undefined;
    this.#moved += bytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
