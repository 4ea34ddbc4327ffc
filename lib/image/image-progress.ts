/** What long operations tell about their layers. */
import { invalid } from '../base/check.js';

/** How far a layer is. */
export interface ImageProgress {
  /** Of the layer's blob. */
  readonly digest: string;
  /** `waiting`: for another process that does the same, or for its turn. `exists`: nothing had to be done. */
  readonly phase: 'waiting' | 'downloading' | 'unpacking' | 'uploading' | 'exists' | 'done';
  /** Bytes of the blob. It can decrease, if a download has to begin again. */
  readonly current: number;
  /** Bytes of the blob, when it is complete. */
  readonly total: number;
}

/** Called at most ten times a second for each layer, and at each new phase. */
export type OnProgress = (progress: ImageProgress) => void;

/** @throws ERR_INVALID_OPTION */
export function checkOnProgress(value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw invalid('onProgress', value, 'is not a function');
}

/** Milliseconds between two events of one layer in one phase. */
const PAUSE = 100;

/** Passes on at most ten events a second for each layer; a new phase at once. */
export function throttled(onProgress: OnProgress | undefined, now = () => performance.now()) {
  const last = new Map<string, { readonly phase: string; readonly at: number }>();
  return (progress: ImageProgress): void => {
    if (onProgress === undefined) return;
    const known = last.get(progress.digest);
    const at = now();
    if (known?.phase === progress.phase && at - known.at < PAUSE) return;
    last.set(progress.digest, { phase: progress.phase, at });
    onProgress(progress);
  };
}
