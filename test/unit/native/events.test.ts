import { expect } from 'chai';
import { type ContainerEvent, containerListener, EVENT } from '../../../lib/native/events.js';

/** What is made of one event of the addon. */
function decoded(...event: Parameters<ReturnType<typeof containerListener>>): ContainerEvent {
  const events: ContainerEvent[] = [];
  containerListener((one) => events.push(one))(...event);
  expect(events).to.have.length(1);
  return events[0]!;
}

describe('Events of the addon', () => {
  it('An event without values is its type', () => {
    expect(decoded(EVENT.input)).to.deep.equal({ type: 'input' });
    expect(decoded(EVENT.terminal)).to.deep.equal({ type: 'terminal' });
    expect(decoded(EVENT.writable)).to.deep.equal({ type: 'writable' });
    expect(decoded(EVENT.gone)).to.deep.equal({ type: 'gone' });
  });

  it('An event about a process has its pid', () => {
    expect(decoded(EVENT.started, 7)).to.deep.equal({ type: 'started', pid: 7 });
    expect(decoded(EVENT.waiting, 8)).to.deep.equal({ type: 'waiting', pid: 8 });
  });

  it('A failure has the error', () => {
    const error = { phase: 1, step: 2, errno: 3, call: 'open', object: '/x' };
    expect(decoded(EVENT.failed, error)).to.deep.equal({ type: 'failed', error });
  });

  it('Output is a part of a larger block', () => {
    const event = decoded(EVENT.data, 2, Buffer.from('before bytes after'), 7, 12);
    expect(event).to.deep.equal({ type: 'data', stream: 2, bytes: Buffer.from('bytes') });
    expect(decoded(EVENT.end, 1)).to.deep.equal({ type: 'end', stream: 1 });
  });

  it('An exit has its bits and its timestamps taken apart', () => {
    const numbers = Float64Array.of(1, 2, 3);
    for (const [bits, executed, ended] of [
      [0, false, []],
      [1, false, [1]],
      [6, true, [2]],
      [7, true, [1, 2]],
    ] as const) {
      const event = decoded(EVENT.exited, -1, 9, 4, bits, numbers, 1);
      expect(event).to.include({ type: 'exited', code: -1, signal: 9, oomKills: 4, executed });
      if (event.type !== 'exited') continue;
      expect(event.ended).to.deep.equal(ended);
      expect(event.timestamps()).to.deep.equal(Float64Array.of(2, 3));
    }
  });
});
