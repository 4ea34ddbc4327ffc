/** Waiting for something to happen in a directory: inotify(7), and a look every second in case it is silent. */
import { type FSWatcher, watch } from 'node:fs';

/** Milliseconds. inotify says nothing of other machines' writes, and has an end to its watches. */
const SAFETY_POLL = 1000;

export class DirectoryWatch implements Disposable {
  private readonly watcher: FSWatcher | undefined;
  private changed = false;
  private resolve: (() => void) | undefined;

  constructor(directory: string) {
    try {
      this.watcher = watch(directory, { persistent: true }, () => this.wake());
      // The directory went away, or the queue overflowed: the poll is left.
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      // No directory, or no inotify watches left (ENOSPC): the poll has to do.
    }
  }

  /** Ends the wait that is going on, or else the next one. Takes itself along as a listener. */
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
