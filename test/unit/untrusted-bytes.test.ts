/** Parsers of what a container or another user can write: the fuzzers for a moment, and what they have found. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect } from 'chai';

import { SupervisorConnection } from '../../lib/engine/supervisor/supervisor-connection.js';
import { parseNetDev } from '../../lib/engine/views/network-stats.js';
import { parseHealth, parseState } from '../../lib/engine/store/parse-stored.js';
import type { Program } from '../../lib/program/instructions.js';
import { drawTimeline, makeTimeline } from '../../lib/program/timeline.js';
import { Mutator, Random } from '../fuzz/mutator.js';
import { TARGETS } from '../fuzz/targets.js';

describe('untrusted bytes', () => {
  for (const { name, seeds, words, run } of TARGETS) {
    it(`A8: ${name}: a thousand mutations are read or refused`, async () => {
      const mutator = new Mutator(new Random(1), seeds, words);
      for (const seed of seeds) await run(Buffer.from(seed));
      for (let i = 0; i < 1000; i++) await run(mutator.next());
    });
  }

  it('A8: a reply that is too short or too long ends the connection to a supervisor, and not the process', () => {
    for (const bytes of [
      [0, 0, 0, 0, 1],
      [3, 0, 0, 0, 4, 1, 2, 3],
      [255, 255, 255, 255, 2],
    ]) {
      let destroyed = 0;
      const socket = Object.assign(new EventEmitter(), { destroy: () => destroyed++ });
      const connection = new SupervisorConnection(socket as unknown as Socket, {
        attached: () => expect.fail('it was taken'),
        started: () => expect.fail('it was taken'),
      });
      socket.emit('data', Buffer.from(bytes));
      expect(destroyed, String(bytes)).to.equal(1);
      expect(connection.closed).to.equal(false);
    }
  });

  it('A8: a state whose members have other types is a damaged one', () => {
    const sound = '{"status":"exited","pid":0,"supervisor":"","exitCode":3}';
    expect(parseState(sound)).to.include({ status: 'exited', exitCode: 3, error: '' });
    for (const member of [
      '"error":7',
      '"startedAt":null',
      '"logLost":"1"',
      '"idBase":1e300',
      '"stopped":0',
    ])
      expect(parseState(sound.replace('}', `,${member}}`)), member).to.equal(undefined);
    const health = (result: string) =>
      parseHealth(`{"status":"healthy","failingStreak":0,"log":[${result}]}`);
    expect(health('')).to.have.property('status', 'healthy');
    for (const result of ['null', '{}', '{"start":"","end":"","exitCode":"0","output":""}'])
      expect(health(result), result).to.equal(undefined);
  });

  it('A8: an interface of a container may have any name', () => {
    const row = (name: string) => `${name}: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0`;
    const found = parseNetDev(`\n\n${row('__proto__')}\n${row('lo')}\n`);
    expect(Object.keys(found)).to.deep.equal(['__proto__', 'lo']);
    expect(Object.values(found)[0]).to.include({ rxBytes: 1, txBytes: 3 });
  });

  it('A8: a time instantiate before the start does not keep a timeline from being drawn', () => {
    const program = { host: [{ op: 'clone' }], container: [{ op: 'nnp.set' }], teardown: [] };
    const timestamps = Float64Array.of(5e9, 6e9, 1, 2);
    const drawn = drawTimeline(makeTimeline(program as unknown as Program, timestamps));
    expect(drawn).to.include('nnp.set');
  });
});
