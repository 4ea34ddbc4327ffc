import { expect } from 'chai';
import { parseDockerfile } from '../../../lib/build/dockerfile.js';
import { type BuildStep, type CopyStep, type RunStep, StageState } from '../../../lib/build/stage-state.js';
import { type ImageConfig, parseImageConfig } from '../../../lib/image/image-config.js';
import { rejectionOf } from '../../support/rejection.js';

const base = (config: object = {}): ImageConfig =>
  parseImageConfig(Buffer.from(JSON.stringify({ config })), 'base');

function build(
  lines: readonly string[],
  { config = {}, buildArgs = {}, globalArgs = {} }: Partial<Record<string, object>> = {},
): { config: ImageConfig; steps: BuildStep[] } {
  const file = parseDockerfile(['FROM base', ...lines].join('\n'));
  const state = new StageState(base(config), {
    escape: file.escape,
    buildArgs: new Map(Object.entries(buildArgs as Record<string, string>)),
    globalArgs: new Map(Object.entries(globalArgs as Record<string, string>)),
  });
  const steps = file.stages[0]!.instructions.flatMap((one) => state.apply(one) ?? []);
  return { config: state.config, steps };
}

describe('A stage of a build', () => {
  it('Sets the environment, with the values before the instruction', () => {
    const { config } = build(['ENV a=1 b=2', 'ENV a=3 b=$a c="$b c"'], {
      config: { Env: ['PATH=/bin'] },
    });
    expect(config.env).to.deep.equal(['PATH=/bin', 'a=3', 'b=1', 'c=2 c']);
  });

  it('Has its declared arguments in variables and programs, which ENV hides', () => {
    const lines = ['ARG a=1', 'ARG b', 'ARG c', 'ARG none', 'ENV c=env', 'RUN echo', 'WORKDIR /$a$b$c$d'];
    const { steps, config } = build(lines, {
      buildArgs: { a: 'A', d: 'undeclared' },
      globalArgs: { b: 'B', c: 'C' },
    });
    expect((steps[0] as RunStep).env).to.deep.equal(['a=A', 'b=B', 'c=env']);
    expect(config.workdir).to.equal('/ABenv');
  });

  it('Passes proxies to programs, and writes them nowhere', () => {
    const { steps, config } = build(['RUN true'], { buildArgs: { http_proxy: 'p' } });
    expect((steps[0] as RunStep).env).to.deep.equal(['http_proxy=p']);
    expect(config.env).to.deep.equal([]);
  });

  it('Runs commands with the shell, and as they are', () => {
    const { steps } = build(['RUN a && b', 'SHELL ["/bin/bash", "-ec"]', 'RUN a', 'RUN ["x", "$y"]']);
    expect(steps.map((step) => (step as RunStep).argv)).to.deep.equal([
      ['/bin/sh', '-c', 'a && b'],
      ['/bin/bash', '-ec', 'a'],
      ['x', '$y'],
    ]);
  });

  it('Runs here-documents as scripts, as programs, and as input', () => {
    const { steps } = build([
      'RUN <<EOF', 'one', 'two', 'EOF',
      'RUN <<EOF', '#!/bin/awk -f', 'EOF',
      'RUN cat <<A - <<B', 'a', 'A', 'b', 'B',
    ]);
    const [script, program, input] = steps as RunStep[];
    expect(script!.argv).to.deep.equal(['/bin/sh', '-c', 'one\ntwo\n']);
    expect(program!.script).to.equal('#!/bin/awk -f\n');
    expect(program!.argv).to.have.length(1);
    expect(input!.argv.at(-1)).to.equal('cat <<A - <<B\na\nA\nb\nB');
  });

  it('Resolves directories and destinations', () => {
    const { steps, config } = build([
      'WORKDIR /a', 'WORKDIR b/../c', 'COPY x y', 'COPY x .', 'COPY x y/', 'COPY x /', 'ADD x z ./',
    ], { config: { WorkingDir: '/w' } });
    expect(config.workdir).to.equal('/a/c');
    expect(steps.slice(2).map((step) => (step as CopyStep).target)).to.deep.equal([
      '/a/c/y', '/a/c/', '/a/c/y/', '/', '/a/c/',
    ]);
    expect((steps.at(-1) as CopyStep).add).to.equal(true);
  });

  it('Copies here-documents, whose variables are expanded unless their name is quoted', () => {
    const { steps } = build(['ENV v=1', 'COPY <<a <<"b" /d/', '"$v" \\$v', 'a', '$v', 'b']);
    expect((steps[0] as CopyStep).files).to.deep.equal([
      { name: 'a', content: '"1" \\$v\n' },
      { name: 'b', content: '$v\n' },
    ]);
    expect((steps[0] as CopyStep).sources).to.deep.equal([]);
  });

  it('Forgets the command of the base image with its entry point, and not its own', () => {
    const config = { Cmd: ['base'], Entrypoint: ['old'] };
    expect(build(['ENTRYPOINT ["new"]'], { config }).config.cmd).to.deep.equal([]);
    expect(build(['CMD ["own"]', 'ENTRYPOINT new'], { config }).config).to.deep.include({
      cmd: ['own'],
      entrypoint: ['/bin/sh', '-c', 'new'],
    });
  });

  it('Collects ports, volumes, labels, the user, the signal, the check and triggers', () => {
    const { config } = build(
      [
        'EXPOSE 80 53/UDP 8000-8001', 'VOLUME /data rel', 'LABEL a=1 "b c"=2', 'USER app:app',
        'STOPSIGNAL SIGINT', 'HEALTHCHECK --interval=5s --retries=3 CMD ["ok"]', 'ONBUILD RUN make',
        'MAINTAINER somebody else',
      ],
      { config: { Labels: { a: '0', z: '9' }, ExposedPorts: { '22/tcp': {} } } },
    );
    expect(config.exposedPorts).to.have.members(['22/tcp', '53/udp', '80/tcp', '8000/tcp', '8001/tcp']);
    expect(config.volumes).to.deep.equal(['/data', '/rel']);
    expect(config.labels).to.deep.equal({ a: '1', z: '9', 'b c': '2' });
    expect(config).to.deep.include({ user: 'app:app', stopSignal: 'SIGINT', author: 'somebody else' });
    expect(config.healthcheck).to.deep.include({ test: { command: ['ok'] }, interval: 5000, retries: 3 });
    expect(config.onBuild).to.deep.equal(['RUN make']);
  });

  for (const [mistake, line, message] of [
    ['several sources without a directory', 'COPY a b c', 'must be a directory and end with a /'],
    ['an empty destination', 'COPY a "$none"', 'empty destination'],
    ['a mode that is none', 'COPY --chmod=rwx a b', "invalid chmod parameter: 'rwx'"],
    ['a port that is none', 'EXPOSE 70000', 'invalid containerPort: 70000'],
    ['a port range that is none', 'EXPOSE 20-10', 'invalid containerPort: 20-10'],
    ['a signal that is none', 'STOPSIGNAL SIGNONE', 'invalid signal: SIGNONE'],
    ['a time that is none', 'HEALTHCHECK --interval=x CMD a', 'interval'],
    ['a number that is none', 'HEALTHCHECK --retries=x CMD a', '--retries cannot be "x"'],
  ] as const) {
    it(`Is refused for ${mistake}, with the line`, async () => {
      const error = await rejectionOf(Promise.resolve().then(() => build(['', line])));
      expect(error.code).to.equal('ERR_INVALID_DOCKERFILE');
      expect(error.message).to.match(/^Dockerfile:3: /).and.include(message);
    });
  }
});
