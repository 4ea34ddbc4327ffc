import { expect } from 'chai';
import { mountSources, parseRunMount } from '../../../lib/build/run-mounts.js';

describe('Mounts of RUN', () => {
  const parse = (text: string) => parseRunMount(text, '/work', 7);

  it('Have the fields of BuildKit, with their other names', () => {
    expect(parse('target=here')).to.deep.equal({
      kind: 'bind',
      target: '/work/here',
      source: '.',
      from: undefined,
      readOnly: true,
    });
    expect(parse('type=bind,src=a,dst=/b,from=one,rw')).to.include({ source: 'a', target: '/b', from: 'one', readOnly: false }); // prettier-ignore
    expect(parse('type=cache,destination=/c,sharing=locked,mode=0755,uid=0')).to.deep.equal({
      kind: 'cache',
      target: '/c',
      id: '/c',
      locked: true,
      readOnly: false,
    });
    expect(parse('type=tmpfs,target=/t,size=2k')).to.deep.equal({ kind: 'tmpfs', target: '/t', size: 2048 }); // prettier-ignore
    expect(parse('type=secret,id=a')).to.include({ target: '/run/secrets/a', mode: 0o400, required: false }); // prettier-ignore
    expect(parse('type=secret,target=/x/b')).to.include({ id: 'b', target: '/x/b' });
    expect(parse('type=secret,id=a,env=A,required')).to.include({ target: undefined, env: 'A', required: true }); // prettier-ignore
  });

  it('Are refused with the line where they are malformed', () => {
    for (const text of ['type=secret', 'type=bind,target=/x,size=1', 'target=/x,ro=maybe', '', 'type=cache,target=/x,sharing=so', 'type=secret,id=a,mode=9']) // prettier-ignore
      expect(() => parse(text), text).to.throw(/^Dockerfile:7: /);
    for (const text of ['type=ssh', 'type=other,target=/x', 'type=secret,id=a,uid=5'])
      expect(() => parse(text), text).to.throw(/^Dockerfile:7: .* not supported/);
  });

  it('Name the stages that a build needs', () => {
    expect(mountSources(['from=a,target=/x', 'type=tmpfs,target=/y', 'target=/z,from=b'], 1)).to.deep.equal(['a', 'b']); // prettier-ignore
  });
});
