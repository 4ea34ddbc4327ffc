import { expect } from 'chai';
import { splitAssignment, withAssignments } from '../../../lib/base/assignment.js';

describe('assignments', () => {
  it('An assignment is split at its first equals sign', () => {
    expect(splitAssignment('a=b=c')).to.deep.equal({ name: 'a', value: 'b=c' });
    expect(splitAssignment('a=')).to.deep.equal({ name: 'a', value: '' });
    expect(splitAssignment('=b')).to.deep.equal({ name: '', value: 'b' });
  });

  it('A name alone has no value', () => {
    expect(splitAssignment('a')).to.deep.equal({ name: 'a', value: undefined });
  });

  it('The last assignment of a name is the one that counts, in the place of the first, and a name alone takes it away', () => {
    const all = withAssignments(['A=1', 'B=2', 'C=3', 'A=4'], ['B=5=6', 'C', 'D=', 'E', '=x']);
    expect(all).to.deep.equal(['A=4', 'B=5=6', 'D=', '=x']);
    expect(withAssignments(['A=1'], ['A', 'B=2', 'A=3'])).to.deep.equal(['B=2', 'A=3']);
    expect(withAssignments([], [])).to.deep.equal([]);
  });
});
