import { expect } from 'chai';
import { isAnonymous, parseVolume, type StoredVolume } from '../../../lib/volumes/stored-volume.js';

const VOLUME: StoredVolume = {
  version: 1,
  name: 'data',
  driver: 'local',
  created: '2026-01-01T00:00:00.000Z',
  labels: { a: 'b' },
  options: {},
};

describe('the file of a volume', () => {
  it('A whole file is read as it was written', () => {
    expect(parseVolume(JSON.stringify(VOLUME))).to.deep.equal(VOLUME);
  });

  it('A file that was cut short, or is another program’s, is not read', () => {
    const text = JSON.stringify(VOLUME);
    for (let size = 0; size < text.length; size++)
      expect(parseVolume(text.slice(0, size)), String(size)).to.equal(undefined);
    for (const change of [
      { version: 2 },
      { driver: 'nfs' },
      { labels: { a: 1 } },
      { options: [] },
      { name: 5 },
      { created: null },
    ])
      // prettier-ignore
      expect(parseVolume(JSON.stringify({ ...VOLUME, ...change }))).to.equal(undefined);
  });

  it('A volume is anonymous if it has Docker’s label', () => {
    expect(isAnonymous(VOLUME)).to.equal(false);
    expect(isAnonymous({ labels: { 'com.docker.volume.anonymous': '' } })).to.equal(true);
  });
});
