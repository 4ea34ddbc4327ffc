/** Mocha's report of one lane (lanes.ts): nothing is printed, and the process that has started this one is told everything. */
import mocha from 'mocha';
import { type LaneEvent, type LaneTest, toLaneError } from './lane-events.js';
import { skipReason } from './skip.js';

// Mocha takes the default export of a file.
// eslint-disable-next-line no-restricted-syntax
export default class LaneReporter extends mocha.reporters.Base {
  private readonly ids = new WeakMap<object, string>();
  private known = 0;

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    if (process.send === undefined) throw new Error('this process is no lane of lanes.ts');
    runner.on('suite', ({ root, title }) => {
      if (!root) this.tell({ kind: 'suite', title });
    });
    runner.on('suite end', ({ root }) => {
      if (!root) this.tell({ kind: 'suite end' });
    });
    runner.on('pass', (test) => this.tell({ kind: 'pass', test: this.plain(test) }));
    runner.on('pending', (test) =>
      this.tell({ kind: 'pending', test: this.plain(test), reason: skipReason(test) }),
    );
    runner.on('fail', (test, thrown: unknown) =>
      this.tell({ kind: 'fail', test: this.plain(test), error: toLaneError(thrown) }),
    );
    // Disconnected, this process ends when nothing else keeps it; so does mocha alone.
    runner.on('end', () => this.tell({ kind: 'end' }, () => process.disconnect()));
    // Nothing is left that could print the results.
    process.on('disconnect', () => runner.abort());
    process.channel?.unref();
  }

  private tell(event: LaneEvent, sent?: () => void): void {
    if (process.connected) process.send?.(event, undefined, undefined, sent);
  }

  private plain(test: Mocha.Test): LaneTest {
    const id = this.ids.get(test) ?? String(this.known++);
    this.ids.set(test, id);
    const { title, duration = 0 } = test;
    return { id, title, titlePath: test.titlePath(), duration, slow: test.slow() };
  }
}
