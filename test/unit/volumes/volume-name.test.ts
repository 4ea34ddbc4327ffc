import { expect } from 'chai';
import { checkVolumeName, isVolumeName } from '../../../lib/volumes/volume-name.js';
import { expectError } from '../support/expect-error.js';

describe('names of volumes', () => {
  it('A name is one of Docker’s grammar', () => {
    for (const name of ['ab', 'a.b', 'A-1_x', '0a', 'x'.repeat(255)])
      expect(isVolumeName(name), name).to.equal(true);
    for (const name of [
      '',
      'a',
      '.a',
      '-a',
      '_a',
      'a/b',
      '../a',
      'a b',
      'a\n',
      'ä1',
      'x'.repeat(256),
    ])
      // prettier-ignore
      expect(isVolumeName(name), name).to.equal(false);
  });

  it('The error of a wrong name says what is allowed', () => {
    expectError(() => checkVolumeName('name', 'a'), 'ERR_INVALID_OPTION', /two characters/);
    expectError(() => checkVolumeName('name', './a'), 'ERR_INVALID_OPTION', /absolute path/);
    expectError(() => checkVolumeName('name', undefined), 'ERR_INVALID_OPTION', /name of a volume/);
  });
});
