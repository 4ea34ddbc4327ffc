import { expect } from 'chai';
import { BuildLines, excerpt } from '../../../../lib/cli/terminal/build-lines.js';

describe('Lines of a build', () => {
  const step = { kind: 'step', number: 3, stage: 'one', step: 2, steps: 12, text: 'RUN x', line: 4 } as const; // prettier-ignore

  it('Lines that come in parts are put together, and those of the two streams stay apart', () => {
    let text = '';
    let now = 0;
    const lines = new BuildLines(
      (more) => (text += more),
      () => now,
    );
    lines.show(step);
    now = 1234;
    const say = (stream: 1 | 2, bytes: Buffer) => lines.show({ kind: 'output', number: 3, stream, bytes }); // prettier-ignore
    const umlaut = Buffer.from('ä\n');
    say(1, Buffer.from('a\nb'));
    say(2, Buffer.from('wrong\n'));
    say(1, umlaut.subarray(0, 1));
    say(1, umlaut.subarray(1));
    say(1, Buffer.from('end'));
    lines.show({ kind: 'done', number: 3, duration: 2345 });
    expect(text).to.equal(
      '#3 [one  2/12] RUN x\n#3 1.234 a\n#3 1.234 wrong\n#3 1.234 bä\n#3 1.234 end\n#3 DONE 2.3s\n\n',
    );
  });

  it('A step of the cache says nothing of its time', () => {
    let text = '';
    const lines = new BuildLines((more) => (text += more));
    lines.show({ ...step, stage: undefined, steps: 2 });
    lines.show({ kind: 'cached', number: 3 });
    lines.show({ kind: 'done', number: 3, duration: 1 });
    lines.show({ kind: 'image', id: 'sha256:1', names: ['docker.io/library/a:1'] });
    expect(text).to.equal('#3 [2/2] RUN x\n#3 CACHED\n\n#4 writing image sha256:1 done\n#4 naming to a:1 done\n'); // prettier-ignore
  });

  it('An excerpt has two lines around the one that is meant', () => {
    const rule = '-'.repeat(20);
    expect(excerpt('1\n2\n\n4\n5\n6', 'D', 4)).to.equal(
      `D:4\n${rule}\n   2 |     2\n   3 |\n   4 | >>> 4\n   5 |     5\n   6 |     6\n${rule}\n`,
    );
    expect(excerpt('1', 'D', 1)).to.equal(`D:1\n${rule}\n   1 | >>> 1\n${rule}\n`);
  });
});
