/** Things of one kind on the disk, such as images: `Engine.usage`. */
export interface UsageOf<T> {
  /** All of them. */
  readonly items: readonly T[];
  /** How many of them are in use. */
  readonly active: number;
  /** Bytes of all of them. */
  readonly size: number;
  /** Bytes that are free when those that are not in use are removed. */
  readonly reclaimable: number;
}
