/** Bytes in the order of their arrival, in as few parts as possible. */
import { StringDecoder } from 'node:string_decoder';

/** Parts that are adjacent in memory are joined, so that a part costs nothing besides its bytes. */
export class Pieces {
  private readonly parts: Buffer[] = [];
  private size_ = 0;

  /** In bytes. */
  get size(): number {
    return this.size_;
  }

  add(part: Buffer): void {
    this.size_ += part.length;
    const last = this.parts.at(-1);
    if (last?.buffer === part.buffer && last.byteOffset + last.length === part.byteOffset) {
      const joined = Buffer.from(last.buffer, last.byteOffset, last.length + part.length);
      this.parts[this.parts.length - 1] = joined;
    } else {
      this.parts.push(part);
    }
  }

  /** Removes the first part and returns it. */
  shift(): Buffer | undefined {
    const part = this.parts.shift();
    this.size_ -= part?.length ?? 0;
    return part;
  }

  clear(): void {
    this.parts.length = 0;
    this.size_ = 0;
  }

  /** A copy of the list, with the same memory. */
  append(others: Pieces): void {
    for (const part of others.parts) this.add(part);
  }

  /** As UTF-8. The caller ensures that a JavaScript string can hold them. */
  text(): string {
    const [only] = this.parts;
    if (only === undefined) return '';
    if (this.parts.length === 1) return only.toString('utf8');
    // One by one: joining the bytes first would need their memory twice.
    const decoder = new StringDecoder('utf8');
    let text = '';
    for (const part of this.parts) text += decoder.write(part);
    return text + decoder.end();
  }
}

/** Bytes of one block. */
const LEAST = 4 << 10;
const MOST = 256 << 10;

/** Memory for the bytes of one stream, which are then adjacent. At most an eighth of it is unused. */
export class Slab {
  private block = Buffer.alloc(0);
  private used = 0;
  private total = 0;

  /** Copies the bytes, and yields the copy: in two parts if they do not fit into the rest of a block. */
  *copy(bytes: Buffer): Generator<Buffer, void, undefined> {
    for (let done = 0; done < bytes.length;) {
      if (this.used === this.block.length) {
        const size = Math.min(Math.max(this.total >>> 3, LEAST), MOST);
        this.block = Buffer.allocUnsafeSlow(Math.max(size, bytes.length - done));
        this.used = 0;
      }
      const start = this.used;
      const size = bytes.copy(this.block, start, done);
      this.used += size;
      this.total += size;
      done += size;
      yield this.block.subarray(start, this.used);
    }
  }
}
