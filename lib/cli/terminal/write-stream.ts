/** Forwards a stream to standard output, to its end. */
import type { Readable } from 'node:stream';
import { showOutput } from './output-stream.js';

/** @throws what has ended the stream early; OutputError when standard output cannot be written */
export async function writeStream(source: Readable): Promise<void> {
  const failed = new Promise<never>((_, reject) => source.once('error', reject));
  const shown = showOutput(source, 1);
  try {
    await Promise.race([shown.shown(), failed, shown.lost]);
    if (source.errored !== null) throw source.errored;
  } finally {
    source.destroy();
  }
}
