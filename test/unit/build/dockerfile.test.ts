import { expect } from 'chai';
import { findStage, parseDockerfile } from '../../../lib/build/dockerfile.js';
import type { Copy, Run, StageInstruction } from '../../../lib/build/dockerfile-instructions.js';
import { rejectionOf } from '../../support/rejection.js';

/** The instructions of the one stage, after FROM. */
const parse = (...lines: string[]) =>
  parseDockerfile(['FROM base', ...lines].join('\n')).stages[0]!.instructions;
const only = <Kind extends StageInstruction>(...lines: string[]) => {
  const found = parse(...lines);
  expect(found).to.have.length(1);
  return found[0] as Kind;
};
const refusal = async (source: string) => {
  const error = await rejectionOf(Promise.resolve().then(() => parseDockerfile(source)));
  return `${error.code} ${error.message}`;
};

describe('A Dockerfile', () => {
  it('Has stages, with names in lower case, and arguments before the first', () => {
    const file = parseDockerfile(
      'ARG V=1\nFROM debian:$V AS Build\nRUN make\nfrom --platform=linux/arm64 scratch\nCOPY --from=build /a /b\n',
    );
    expect(file.args.map(({ values }) => values)).to.deep.equal([[['V', '1']]]);
    expect(file.stages.map(({ from }) => [from.image, from.name, from.platform])).to.deep.equal([
      ['debian:$V', 'build', undefined],
      ['scratch', undefined, 'linux/arm64'],
    ]);
    expect(findStage(file, 'BUILD')?.index).to.equal(0);
    expect(findStage(file, '1')?.index).to.equal(1);
    expect(findStage(file, 'build', 0)).to.equal(undefined);
  });

  it('Continues lines over comments and empty lines, and counts them', () => {
    const [run, env] = parse('# a comment', 'RUN a \\  ', '  # not this', '', '  && b', 'ENV x=1');
    expect((run as Run).command).to.deep.equal({ form: 'shell', text: 'a   && b' });
    expect([run!.line, env!.line]).to.deep.equal([3, 7]);
  });

  it('Has another escape character by its directive, which stands first', () => {
    const file = parseDockerfile('# escape=`\nFROM a\nRUN dir c:\\ `\n  x\n');
    expect(file.escape).to.equal('`');
    expect((file.stages[0]!.instructions[0] as Run).command).to.deep.equal({
      form: 'shell',
      text: 'dir c:\\   x',
    });
    expect(parseDockerfile('# a comment\n# escape=`\nFROM a\n').escape).to.equal('\\');
  });

  it('Has commands as JSON or for the shell', () => {
    expect(only<Run>('RUN ["a", "b c"]').command).to.deep.equal({
      form: 'exec',
      argv: ['a', 'b c'],
    });
    expect(only<Run>("RUN ['a']").command).to.deep.equal({ form: 'shell', text: "['a']" });
  });

  it('Takes here-documents for RUN and COPY, with and without tabs and variables', () => {
    const run = only<Run>('RUN <<EOF bash', 'echo $a', '# kept', 'EOF');
    expect(run.hereDocuments).to.deep.equal([
      { name: 'EOF', content: 'echo $a\n# kept\n', expand: true },
    ]);
    const copy = only<Copy>("COPY <<-'one' <<two /to/", '\tfirst', '\tone', '\tsecond', 'two');
    expect(copy.hereDocuments).to.deep.equal([
      { name: 'one', content: 'first\n', expand: false },
      { name: 'two', content: '\tsecond\n', expand: true },
    ]);
    expect(copy.target).to.equal('/to/');
  });

  it('Has no here-document in quotes, in JSON, or in other instructions', () => {
    expect(only<Run>('RUN echo "<<EOF"').hereDocuments).to.deep.equal([]);
    expect(only<Run>('RUN ["cat", "<<EOF"]').hereDocuments).to.deep.equal([]);
    expect(only<Run>('RUN cat <<<word').hereDocuments).to.deep.equal([]);
    expect(parse('CMD cat <<EOF', 'ENV a=1')).to.have.length(2);
  });

  it('Reads the flags of instructions', () => {
    const copy = only<Copy>(
      'COPY --from=0 --chown=1:2 --chmod=0755 --link --exclude=*.o --exclude=a b "c d" /e',
    );
    expect(copy).to.deep.include({ from: '0', chown: '1:2', chmod: '0755' });
    expect(copy.exclude).to.deep.equal(['*.o', 'a']);
    expect(copy.sources).to.deep.equal(['b', '"c d"']);
    expect(only<Run>('RUN --mount=type=cache,target=/x --network=none a')).to.deep.include({
      mounts: ['type=cache,target=/x'],
      network: 'none',
    });
  });

  it('Reads lists of values, and the old form of one', () => {
    expect(only('ENV a=1 b="2 3" c=4\\ 5')).to.deep.include({
      values: [
        ['a', '1'],
        ['b', '"2 3"'],
        ['c', '4\\ 5'],
      ],
    });
    expect(only('ENV a  b c')).to.deep.include({ values: [['a', 'b c']] });
    expect(only('ARG a b=2')).to.deep.include({
      values: [
        ['a', undefined],
        ['b', '2'],
      ],
    });
    expect(only('VOLUME ["/a b", "/c"]')).to.deep.include({ words: ['/a b', '/c'] });
    expect(only('HEALTHCHECK --interval=5s CMD true')).to.deep.include({
      command: { form: 'shell', text: 'true' },
      flags: [{ name: 'interval', value: '5s' }],
    });
    expect(only('HEALTHCHECK none')).to.deep.include({ command: undefined });
    expect(only('ONBUILD RUN make')).to.deep.include({ instruction: 'RUN make' });
  });

  for (const [mistake, source, message] of [
    ['nothing', '# only a comment\n', 'Dockerfile:1: file with no instructions'],
    ['an instruction before FROM', 'RUN a\nFROM b', 'Dockerfile:1: no build stage'],
    ['an unknown instruction', 'FROM a\n\nRUM b', 'Dockerfile:3: unknown instruction: RUM'],
    ['an unknown flag', 'FROM a\nCOPY --form=b c d', 'Dockerfile:2: unknown flag: --form of COPY'],
    ['a flag that is given twice', 'FROM a\nCOPY --chown=1 --chown=2 c d', 'is given twice'],
    ['a flag without its value', 'FROM a\nCOPY --from c d', 'missing a value on flag: --from'],
    ['one argument of COPY', 'FROM a\nCOPY c', 'COPY requires at least two arguments'],
    ['no argument at all', 'FROM a\nRUN', 'RUN requires at least one argument'],
    ['two names in FROM', 'FROM a b', 'FROM requires either one or three arguments'],
    ['a stage name that is none', 'FROM a AS 1b', 'invalid name for build stage: "1b"'],
    ['a stage name that is used twice', 'FROM a AS b\nFROM a AS B', 'duplicate name b of a stage'],
    ['a missing =', 'FROM a\nENV a=1 b', 'can\'t find = in "b"'],
    ['SHELL that is no JSON', 'FROM a\nSHELL sh -c', 'SHELL requires the arguments to be in JSON'],
    ['a here-document without an end', 'FROM a\nRUN <<EOF\nb', 'unterminated heredoc EOF'],
    ['ONBUILD in ONBUILD', 'FROM a\nONBUILD ONBUILD RUN b', "isn't allowed as an ONBUILD trigger"],
    ['two directives of a kind', '# escape=`\n# escape=\\\nFROM a', 'only one escape parser'],
    ['an escape that is none', '# escape=x\nFROM a', "invalid ESCAPE 'x'"],
  ] as const) {
    it(`Is refused for ${mistake}, with the line`, async () => {
      expect(await refusal(source))
        .to.match(/^ERR_INVALID_DOCKERFILE Dockerfile:\d+: /)
        .and.include(message);
    });
  }

  it('Is refused by name for what this builder does not have', async () => {
    expect(await refusal('FROM a\nRUN --security=insecure b')).to.equal(
      'ERR_UNSUPPORTED_OPTION Dockerfile:2: RUN --security=insecure is not supported',
    );
  });

  it('Is refused when it is too large', async () => {
    expect(await refusal(`FROM a\n#${'x'.repeat(1 << 20)}`)).to.include('is larger than');
  });
});
