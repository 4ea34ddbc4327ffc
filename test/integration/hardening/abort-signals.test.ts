/** AbortSignals as programs use them: one for a whole batch of calls, of every kind, with limits of the program's own. */
import { EventEmitter, getEventListeners, setMaxListeners } from 'node:events';
import { expect } from 'chai';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import { type DetachedContainers, setUpDetached } from '../../support/detached.js';
import type { Workshop } from '../../support/workshop.js';

describe('hardening: abort signals', () => {
  let shop: Workshop;
  let detached: DetachedContainers;
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);

  setUpDetached((made) => ({ shop, detached } = made));
  beforeEach(() => {
    warnings.length = 0;
    process.on('warning', onWarning);
  });
  afterEach(() => process.off('warning', onWarning));
  const sleeping = (options: RunOptions) =>
    shop.engine.run(shop.busybox, ['sleep', '1000'], options);
  /** Node tells of warnings in a later turn. */
  const warned = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return warnings.map(({ message }) => message);
  };

  it('C9: one AbortSignal serves several runs, one after the other', async () => {
    const { signal } = new AbortController();
    for (let run = 0; run < 3; run++) {
      const { exitCode, aborted } = await shop.engine.run(shop.busybox, ['true'], { signal });
      expect({ exitCode, aborted }).to.deep.equal({ exitCode: 0, aborted: false });
    }
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
    expect(await warned()).to.deep.equal([]);
  });

  it('C9: one AbortSignal ends runs, execs and followed logs together, without a warning of a leak', async () => {
    const stop = new AbortController();
    const { signal } = stop;
    setMaxListeners(1, signal); // the caller's own limit, which stays as it is
    const container = await detached.start('sleep 1000');
    const runs = Array.from({ length: 3 }, () => sleeping({ signal }));
    const execs = Array.from({ length: 3 }, () =>
      container.exec(['sleep', '1000'], { signal, stdin: 'null' }),
    );
    const logs = Array.from({ length: 3 }, async () => {
      for await (const line of container.logs({ follow: true, signal })) void line;
    });
    await Promise.all([...runs, ...execs].map(({ started }) => started));
    expect(getEventListeners(signal, 'abort')).to.have.length.at.most(1);
    stop.abort();
    for (const { aborted } of await Promise.all([...runs, ...execs]))
      expect(aborted).to.equal(true);
    await Promise.all(logs);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
    expect(await warned()).to.deep.equal([]);
  });

  it('C9: signals made by AbortSignal.any and .timeout, and objects that stand in for one, end a run', async () => {
    const stop = new AbortController();
    const standIn = new (class extends EventEmitter {
      aborted = false;
      readonly addEventListener = (name: string, listener: () => void) => this.on(name, listener);
      readonly removeEventListener = (name: string, listener: () => void) =>
        this.off(name, listener);
    })();
    const runs = [
      sleeping({ signal: AbortSignal.any([stop.signal]) }),
      sleeping({ signal: AbortSignal.timeout(1) }),
      sleeping({ signal: standIn as unknown as AbortSignal }),
      sleeping({ signal: standIn as unknown as AbortSignal }),
    ];
    await Promise.all([runs[0]!.started, runs[2]!.started, runs[3]!.started]);
    stop.abort();
    standIn.aborted = true;
    standIn.emit('abort');
    for (const { aborted } of await Promise.all(runs)) expect(aborted).to.equal(true);
    expect(standIn.listenerCount('abort')).to.equal(0);
  });
});
