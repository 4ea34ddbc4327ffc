import { expect } from 'chai';
import { bar, ProgressLines, PULL_WORDS } from '../../../../lib/cli/terminal/progress-lines.js';
import { throttled, type ImageProgress } from '../../../../lib/image/image-progress.js';

const layer = (digit: string): string => `sha256:${digit.repeat(64)}`;
const of = (digest: string, phase: ImageProgress['phase'], current = 0): ImageProgress => ({
  digest,
  phase,
  current,
  total: 200,
});

describe('The lines of a pull', () => {
  it('Lines of a terminal are redrawn where they are, and others are printed once for a phase', () => {
    const events = [
      of(layer('a'), 'waiting'),
      of(layer('b'), 'exists', 200),
      of(layer('a'), 'downloading', 100),
      of(layer('a'), 'done', 200),
    ];
    const show = (isTerminal: boolean): string => {
      let text = '';
      const lines = new ProgressLines(
        PULL_WORDS,
        1,
        (part) => (text += part),
        isTerminal,
        () => 200,
      );
      for (const event of events) lines.show(event);
      return text;
    };
    expect(show(false)).to.equal(
      'aaaaaaaaaaaa: Pulling fs layer\nbbbbbbbbbbbb: Already exists\naaaaaaaaaaaa: Pull complete\n',
    );
    expect(show(true)).to.equal(
      'aaaaaaaaaaaa: Pulling fs layer\nbbbbbbbbbbbb: Already exists\n' +
        `\x1b[2A\r\x1b[2Kaaaaaaaaaaaa: Downloading ${bar(100, 200)} 100B/200B\x1b[2B\r` +
        '\x1b[2A\r\x1b[2Kaaaaaaaaaaaa: Pull complete\x1b[2B\r',
    );
  });

  it('A bar is as long as the share that is there', () => {
    expect(bar(0, 200)).to.equal(`[>${' '.repeat(49)}]`);
    expect(bar(100, 200)).to.equal(`[${'='.repeat(25)}>${' '.repeat(24)}]`);
    expect(bar(200, 200)).to.equal(`[${'='.repeat(50)}]`);
    expect(bar(0, 0)).to.equal(`[${'='.repeat(50)}]`);
  });

  it('A layer has at most ten events a second in a phase', () => {
    let now = 0;
    const told: number[] = [];
    const tell = throttled(
      ({ current }) => told.push(current),
      () => now,
    );
    for (; now <= 1000; now += 10) tell(of(layer('a'), 'downloading', now));
    expect(told).to.deep.equal([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    tell(of(layer('a'), 'done', 5));
    expect(told.at(-1)).to.equal(5);
  });
});
