import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  appendEvent,
  EVENT_FILE_SIZE,
  type EventOptions,
  followEvents,
} from '../../lib/engine/store/event-log.js';
import { ownerName } from '../../lib/host/owner.js';
import type { ContainerEvent, EngineEvent } from '../../lib/engine/store/stored.js';
import { openDescriptors } from '../support/leftovers.js';
import { eventually, sleep } from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { expectError } from '../unit/support/expect-error.js';

/** Seconds of 2026. */
function event(action: string, second = 0, attributes: Record<string, string> = {}) {
  const timeNano = `${1_767_225_600 + second}000000000`;
  return { type: 'container', action, id: 'a'.repeat(64), attributes, timeNano } as ContainerEvent;
}

describe('events', () => {
  let runRoot: string;

  beforeEach(async () => {
    runRoot = await mkdtemp(join(tmpdir(), 'caisson-test-'));
  });
  afterEach(() => rm(runRoot, { recursive: true, force: true }));

  function path(name = 'events'): string {
    return join(runRoot, name);
  }

  async function actions(options: EventOptions): Promise<string[]> {
    const seen: string[] = [];
    for await (const { action } of followEvents(runRoot, options)) seen.push(action);
    return seen;
  }

  it('Events are a line each, which only their owner may read', async () => {
    appendEvent(runRoot, event('create', 1, { name: 'a "b"\n' }));
    appendEvent(runRoot, event('start', 2));
    const lines = (await readFile(path(), 'utf8')).split('\n');
    expect(lines.length).to.equal(3);
    expect(JSON.parse(lines[0]!)).to.deep.equal(event('create', 1, { name: 'a "b"\n' }));
    expect(statSync(path()).mode & 0o777).to.equal(0o600);
  });

  it('Events of the past are selected by time and by a function of the caller', async () => {
    for (let second = 0; second < 6; second++) appendEvent(runRoot, event(`${second}`, second));
    const until = '2026-01-01T00:00:04Z';
    expect(await actions({ until })).to.deep.equal(['0', '1', '2', '3', '4']);
    const since = '2026-01-01T00:00:02Z';
    expect(await actions({ since, until })).to.deep.equal(['2', '3', '4']);
    const filter = ({ action }: EngineEvent) => Number(action) % 2 === 0;
    expect(await actions({ since, until, filter })).to.deep.equal(['2', '4']);
  });

  it('The events are those from the call on, unless earlier ones are asked for', async () => {
    appendEvent(runRoot, event('old'));
    const events = followEvents(runRoot);
    appendEvent(runRoot, event('new'));
    expect((await events.next()).value).to.deep.equal(event('new'));
    const next = events.next();
    await sleep(20); // it waits by now: that it does shows nowhere
    appendEvent(runRoot, event('newer'));
    expect((await next).value).to.deep.equal(event('newer'));
    await events.return(undefined);
  });

  it('The events are those from the call on right after a rotation too, and before the first', async () => {
    const first = followEvents(runRoot);
    writeFileSync(path('events.1'), `${JSON.stringify(event('old'))}\n`);
    const events = followEvents(runRoot);
    appendEvent(runRoot, event('new'));
    expect((await events.next()).value).to.deep.equal(event('new'));
    await events.return(undefined);
    expect((await first.next()).value).to.deep.equal(event('old'));
    await first.return(undefined);
  });

  it('The events end when they are aborted and when `until` has come, and leave nothing open', async () => {
    appendEvent(runRoot, event('old'));
    const own = openDescriptors().length;
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50); // while it waits for more
    expect(await actions({ signal: abort.signal })).to.deep.equal([]);
    expect(await actions({ since: 0, signal: abort.signal })).to.deep.equal([]);
    expect(await actions({ until: new Date(Date.now() + 100) })).to.deep.equal(['old']);
    followEvents(runRoot); // never asked
    await eventually(() => expect(openDescriptors().length).to.be.at.most(own));
  });

  it('A line that was cut short or is no event does not end the events', async () => {
    appendEvent(runRoot, event('a'));
    const torn = JSON.stringify(event('torn', 0, { text: '{"type":"container"' })).slice(0, -40);
    appendFileSync(path(), torn);
    appendEvent(runRoot, event('b'));
    appendFileSync(path(), 'x\n\n{}\nnull\n{"type":"container","timeNano":"x"}\n');
    appendEvent(runRoot, event('c'));
    expect(await actions({ until: '1s' })).to.deep.equal(['a', 'b', 'c']);
  });

  it('Events are refused when they cannot be written, and when times make no sense', async () => {
    expectError(() => followEvents(runRoot, { since: 'x' }), 'ERR_INVALID_OPTION', /^since: /);
    const wrong = { since: '1m', until: '2m' };
    expectError(() => followEvents(runRoot, wrong), 'ERR_INVALID_OPTION', /^until: /);
    symlinkSync('/dev/null', path());
    const failed = { code: 'ERR_EVENT_LOG', errno: 'ELOOP', syscall: 'open' };
    try {
      appendEvent(runRoot, event('a'));
      expect.fail('it was written');
    } catch (error) {
      expect(error).to.deep.include(failed);
    }
  });

  describe('the rotation of the events file', () => {
    const text = 'x'.repeat(EVENT_FILE_SIZE);

    it('The file is rotated when it is full, and events are read across both files', async () => {
      appendEvent(runRoot, event('a'));
      appendEvent(runRoot, event('b', 0, { text: text.slice(0, 900_000) }));
      expect(existsSync(path('events.1'))).to.equal(false);
      for (let i = 0; i < 4; i++)
        appendEvent(runRoot, event(`c${i}`, 0, { text: text.slice(0, 900_000) }));
      expect(existsSync(path())).to.equal(false);
      appendEvent(runRoot, event('d'));
      const expected = ['a', 'b', 'c0', 'c1', 'c2', 'c3', 'd'];
      expect(await actions({ until: '1s' })).to.deep.equal(expected);
      expect(await readdir(runRoot)).to.have.members(['events', 'events.1']);
    });

    it('The file is rotated while another process is about to write to it', async () => {
      appendEvent(runRoot, event('a'));
      const events = followEvents(runRoot, { since: 0 });
      const next = async () => ((await events.next()).value as ContainerEvent).action;
      expect(await next()).to.equal('a');
      const late = openSync(path(), 'a');
      renameSync(path(), path('events.1'));
      appendEvent(runRoot, event('b'));
      expect(await next()).to.equal('b');
      writeSync(late, `${JSON.stringify(event('c'))}\n`);
      closeSync(late);
      expect(await next()).to.equal('c');
      await events.return(undefined);
    });

    it('One process at a time rotates the file, and the next one does when that one has died', async () => {
      writeFileSync(path(), `${text}\n`);
      symlinkSync(ownerName(), path('events.rotating'));
      appendEvent(runRoot, event('a'));
      expect(existsSync(path('events.1'))).to.equal(false);
      await rm(path('events.rotating'));
      symlinkSync('1 1 another-boot', path('events.rotating'));
      appendEvent(runRoot, event('b'));
      appendEvent(runRoot, event('c'));
      expect(existsSync(path('events.1'))).to.equal(true);
      expect(existsSync(path('events.rotating'))).to.equal(false);
      expect(await actions({ until: '1s' })).to.deep.equal(['a', 'b', 'c']);
    });
  });

  it('The events of many processes are all there, whole and once', async () => {
    const writers = 4;
    // Enough to rotate once: what a second rotation drops is lost to a reader that is slower than four writers.
    const each = 900;
    const abort = new AbortController();
    const events = followEvents(runRoot, { signal: abort.signal });
    const timers: NodeJS.Timeout[] = [];
    const endIn = (milliseconds: number) =>
      timers.push(setTimeout(() => abort.abort(), milliseconds));
    let living = writers;
    for (let name = 0; name < writers; name++) {
      const args = [fixture('append-events'), runRoot, name, each, 2000].map(String);
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
      void once(child, 'exit').then(([code]) => {
        expect(code).to.equal(0);
        // For those that are lost: nothing says that no more will come.
        if (--living === 0) endIn(8000);
      });
    }
    const seen = new Map<string, number[]>();
    let missing = writers * each;
    for await (const { attributes } of events) {
      const { name = '', number } = attributes;
      const numbers = seen.get(name) ?? [];
      seen.set(name, numbers);
      numbers.push(Number(number));
      // One that comes twice would come soon.
      if (--missing === 0) endIn(300);
    }
    for (const timer of timers) clearTimeout(timer);
    const files = await readdir(runRoot);
    expect(files, 'rotated').to.include('events.1');
    expect(files).not.to.include('events.rotating');
    expect([...seen.keys()].sort()).to.deep.equal(['0', '1', '2', '3']);
    for (const [name, numbers] of seen) {
      expect(numbers.length, `of ${name}`).to.equal(each);
      // Around a rotation a line can come late.
      const sorted = numbers.toSorted((a, b) => a - b);
      expect(sorted).to.deep.equal(Array.from({ length: each }, (_, index) => index));
    }
  });
});
