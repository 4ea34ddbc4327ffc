/** Waits for changes in a directory: with inotify(7), and with a check every second in case it reports nothing. */
import { type FSWatcher, watch } from 'node:fs';

/** Milliseconds. inotify does not report writes of other machines, and the number of watches is limited. */
const SAFETY_POLL = 1000;

export class DirectoryWatch implements Disposable {
  private readonly watcher: FSWatcher | undefined;
  private changed = false;
  private resolve: (() => void) | undefined;

  constructor(directory: string) {
    try {
      this.watcher = watch(directory, { persistent: true }, () => this.wake());
      // The directory was removed, or the queue overflowed: the poll remains.
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      // No directory, or no inotify watches left (ENOSPC): only the poll is used.
    }
  }

  /** Ends the current wait, or else the next one; bound, so that it can be a listener. */
  readonly wake = (): void => {
    this.changed = true;
    this.resolve?.();
  };

  /** Returns when something has changed since the last wait ended, or a second has passed. */
  async wait(atMost = SAFETY_POLL): Promise<void> {
    if (!this.changed) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.resolve = resolve;
        timer = setTimeout(resolve, Math.max(0, Math.min(atMost, SAFETY_POLL)));
      });
      clearTimeout(timer);
      this.resolve = undefined;
    }
    this.changed = false;
  }

  [Symbol.dispose](): void {
    this.watcher?.close();
  }
}
