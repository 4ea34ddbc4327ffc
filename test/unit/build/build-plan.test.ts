import { expect } from 'chai';
import { planBuild, type PlanOptions } from '../../../lib/build/build-plan.js';
import { parseDockerfile } from '../../../lib/build/dockerfile.js';

describe('The plan of a build', () => {
  const plan = (lines: readonly string[], options: Partial<PlanOptions> = {}) =>
    planBuild(parseDockerfile(lines.join('\n')), {
      buildArgs: new Map(),
      platform: { os: 'linux', architecture: 'arm64' },
      buildPlatform: { os: 'linux', architecture: 'amd64' },
      ...options,
    });
  const stages = (...args: Parameters<typeof plan>) =>
    plan(...args).stages.map(({ stage }) => stage.index);

  const LINES = [
    'FROM a AS one',
    'FROM one AS two',
    'FROM b AS three',
    'COPY --from=0 /x /x',
    'FROM c',
    'COPY --from=two /x /x',
  ];

  it('Has the stages that the target needs, in the order of the file', () => {
    expect(stages(LINES)).to.deep.equal([0, 1, 3]);
    expect(stages(LINES, { target: 'three' })).to.deep.equal([0, 2]);
    expect(stages(LINES, { target: '0' })).to.deep.equal([0]);
    expect(() => plan(LINES, { target: 'four' })).to.throw('target stage "four" could not be found');
  });

  it('Names stages where there are several', () => {
    expect(plan(LINES).stages.map(({ label }) => label)).to.deep.equal(['one', 'two', 'stage-3']);
    expect(plan(['FROM a AS one']).stages[0]?.label).to.equal(undefined);
  });

  it('Replaces variables of FROM by arguments before it, and by those of the platforms', () => {
    const lines = ['ARG V=1', 'ARG W=$V.2', 'FROM --platform=$BUILDPLATFORM x:$W-$TARGETARCH'];
    expect(plan(lines).stages[0]?.base).to.deep.equal({
      kind: 'image',
      name: 'x:1.2-arm64',
      platform: 'linux/amd64',
    });
    const { stages: given, globalArgs } = plan(lines, { buildArgs: new Map([['V', '9']]) });
    expect(given[0]?.base).to.include({ name: 'x:9.2-arm64' });
    expect(globalArgs.get('W')).to.equal('9.2');
    expect(() => plan(['FROM $MISSING'])).to.throw('Dockerfile:1: base name ($MISSING) should not be blank'); // prettier-ignore
  });

  it('Takes only earlier stages for the source of a copy', () => {
    expect(() => plan(['FROM a', 'COPY --from=b /x /x', 'FROM c AS b'], { target: '0' })).to.throw('Dockerfile:2: --from=b is no earlier stage'); // prettier-ignore
    expect(() => plan(['FROM a', 'COPY --from=7 /x /x'])).to.throw('Dockerfile:2');
    expect(stages(['FROM a', 'COPY --from=other/image /x /x'])).to.deep.equal([0]);
  });
});
