/** Bytes out of other bytes, the same ones for the same seed. */

/** xorshift32: the same sequence everywhere. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0 || 1;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return (x >>> 0) % limit;
  }
}

const INTERESTING = [0, 1, 9, 10, 13, 32, 34, 45, 48, 58, 92, 123, 125, 127, 128, 194, 237, 255];
const MAX_SIZE = 4096;

export class Mutator {
  constructor(
    private readonly random: Random,
    private readonly seeds: readonly Buffer[],
    /** Pieces that mean something to the parser. */
    private readonly words: readonly Buffer[],
    private readonly maxSize = MAX_SIZE,
  ) {}

  next(): Buffer {
    let bytes = Buffer.from(this.pick(this.seeds));
    for (let rounds = 1 + this.random.below(6); rounds > 0; rounds--) bytes = this.change(bytes);
    return bytes.length > this.maxSize ? bytes.subarray(0, this.maxSize) : bytes;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)]!;
  }

  private change(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    const { random } = this;
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + random.below(16));
    switch (random.below(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.below(8));
        return bytes;
      case 1:
        if (at < bytes.length) bytes[at] = this.pick(INTERESTING);
        return bytes;
      case 2:
        if (at < bytes.length) bytes[at] = random.below(256);
        return bytes;
      case 3:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
      case 4: // a piece twice
        return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
      case 5: {
        const other = this.pick(this.seeds);
        return Buffer.concat([
          bytes.subarray(0, at),
          other.subarray(random.below(other.length + 1)),
        ]);
      }
      case 6:
        return bytes.subarray(0, at);
      default:
        return Buffer.concat([bytes.subarray(0, at), this.pick(this.words), bytes.subarray(at)]);
    }
  }
}
