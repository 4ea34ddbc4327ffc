import { expect } from 'chai';
import { decodeDevice, encodeDevice } from '../../../lib/base/device-number.js';

describe('device numbers', () => {
  it('A device number has the bits of the kernel’s encoding', () => {
    expect(encodeDevice({ major: 1, minor: 3 })).to.equal(0x103);
    expect(encodeDevice({ major: 0xfff, minor: 0 })).to.equal(0xf_ff00);
    expect(encodeDevice({ major: 259, minor: 0x1ff })).to.equal(0x11_03ff);
  });

  it('Encoding and decoding are inverse', () => {
    for (const numbers of [
      { major: 0, minor: 0 },
      { major: 1, minor: 3 },
      { major: 259, minor: 511 },
      { major: 0xfff, minor: 0xfffff },
    ])
      expect(decodeDevice(encodeDevice(numbers))).to.deep.equal(numbers);
  });
});
