import { expect } from 'chai';
import { splitAssignment } from '../../../lib/base/assignment.js';

describe('assignments', () => {
  it('An assignment is split at its first equals sign', () => {
    expect(splitAssignment('a=b=c')).to.deep.equal({ name: 'a', value: 'b=c' });
    expect(splitAssignment('a=')).to.deep.equal({ name: 'a', value: '' });
    expect(splitAssignment('=b')).to.deep.equal({ name: '', value: 'b' });
  });

  it('A name alone has no value', () => {
    expect(splitAssignment('a')).to.deep.equal({ name: 'a', value: undefined });
  });
});
