/** `--detach-keys`: the keys that detach from a container's terminal. */
import { Transform, type TransformCallback } from 'node:stream';
import { invalid } from '../../base/check.js';

/** ctrl-p ctrl-q. */
export const DEFAULT_DETACH_KEYS: Uint8Array = Uint8Array.of(0x10, 0x11);

/** `ctrl-p,ctrl-q`, `a`, `DEL` (moby/term ascii.go). Empty: the default keys. */
export function parseDetachKeys(text: string | undefined): Uint8Array {
  if (text === undefined || text === '') return DEFAULT_DETACH_KEYS;
  return Uint8Array.from(text.split(','), (key) => {
    const code = keyCode(key);
    if (code === undefined)
      throw invalid(
        'detach-keys',
        text,
        `has the unknown key "${key}"`,
        'characters, and ctrl- with one of a-z @ [ \\ ] ^ _, with commas between them',
      );
    return code;
  });
}

function keyCode(key: string): number | undefined {
  const code = key.charCodeAt(0);
  if (key.length === 1) return code < 0x80 ? code : undefined;
  if (key === 'DEL') return 0x7f;
  const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1];
  return control === undefined ? undefined : control.toUpperCase().charCodeAt(0) & 0x1f;
}

export interface Filtered {
  /** The input for the container. */
  readonly pass: Uint8Array;
  /** The keys were typed; what came after them is dropped. */
  readonly detached: boolean;
}

const NOTHING = new Uint8Array(0);

/**
 * Finds the keys in the input, however it is split into chunks. Holds back what may be their beginning, and passes it
 * on if something else follows (Knuth, Morris, Pratt).
 */
export class DetachMatcher {
  readonly #keys: Uint8Array;
  /** By the number of keys that matched: how many still do when the next one does not. */
  readonly #fallback: readonly number[];
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
    const fallback = [0];
    for (let at = 1, length = 0; at < keys.length; at++) {
      while (length > 0 && keys[at] !== keys[length]) length = fallback[length - 1] ?? 0;
      if (keys[at] === keys[length]) length++;
      fallback.push(length);
    }
    this.#fallback = fallback;
  }

  push(chunk: Uint8Array): Filtered {
    const keys = this.#keys;
    if (keys.length === 0) return { pass: chunk, detached: false };
    if (this.#matched === 0 && !chunk.includes(keys[0] ?? 0))
      return { pass: chunk, detached: false };
    // At most what was held back and the new chunk.
    const pass = new Uint8Array(this.#matched + chunk.length);
    let length = 0;
    for (const byte of chunk) {
      while (this.#matched > 0 && byte !== keys[this.#matched]) {
        const shorter = this.#fallback[this.#matched - 1] ?? 0;
        const released = this.#matched - shorter;
        pass.set(keys.subarray(0, released), length);
        length += released;
        this.#matched = shorter;
      }
      if (byte !== keys[this.#matched]) {
        pass[length++] = byte;
        continue;
      }
      if (++this.#matched === keys.length) {
        this.#matched = 0;
        return { pass: pass.subarray(0, length), detached: true };
      }
    }
    return { pass: pass.subarray(0, length), detached: false };
  }

  /** What is held back, at the end of the input. */
  flush(): Uint8Array {
    const held = this.#matched === 0 ? NOTHING : this.#keys.slice(0, this.#matched);
    this.#matched = 0;
    return held;
  }
}

/** Between a keyboard and a container. Emits `detach` once, and ends without what follows the keys. */
export class DetachFilter extends Transform {
  readonly #matcher: DetachMatcher;
  #detached = false;

  constructor(keys: Uint8Array) {
    super();
    this.#matcher = new DetachMatcher(keys);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#detached) {
      done();
      return;
    }
    const { pass, detached } = this.#matcher.push(chunk);
    if (pass.length > 0) this.push(pass);
    if (detached) {
      this.#detached = true;
      this.emit('detach');
      this.push(null);
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    if (!this.#detached) {
      const held = this.#matcher.flush();
      if (held.length > 0) this.push(held);
    }
    done();
  }
}
