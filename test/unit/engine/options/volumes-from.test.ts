import { expect } from 'chai';
import { type MountConfig, volumeMount } from '../../../../lib/engine/options/mount-config.js';
import { anonymousVolumesOf, withImageVolumes } from '../../../../lib/engine/options/mounts.js';
import { givenMounts, normalizeVolumesFrom, withGivenMounts } from '../../../../lib/engine/options/volumes-from.js'; // prettier-ignore

const bind = (target: string, from: MountConfig['from'] = 'volumes'): MountConfig => ({
  type: 'bind',
  source: `/of/${from}`,
  target,
  options: ['rbind', 'rprivate'],
  from,
});

describe('mounts of other containers and of the image', () => {
  it('A container gives its volumes and binds, and no tmpfs', () => {
    const tmpfs: MountConfig = { type: 'tmpfs', target: '/t', options: [], from: 'tmpfs' };
    const volume = volumeMount('volumes', '/v', { name: 'data' }, false);
    const [from] = normalizeVolumesFrom(['web:ro']);
    expect(givenMounts([bind('/b'), tmpfs, volume], from!)).to.deep.equal([
      { ...bind('/b'), options: ['rbind', 'rprivate', 'ro', 'rro'], from: 'volumesFrom' },
      { ...volume, volume: { name: 'data', noCopy: true }, options: ['rbind', 'rprivate', 'ro', 'rro'], from: 'volumesFrom' }, // prettier-ignore
    ]);
  });

  it('What a container mounts itself goes before, and the last of several is taken', () => {
    const own = [bind('/a'), volumeMount('image', '/b', {}, false)];
    const given = [[bind('/a', 'volumesFrom'), bind('/b', 'volumesFrom')], [{ ...bind('/b', 'volumesFrom'), source: '/last' }]]; // prettier-ignore
    expect(withGivenMounts(own, given).map(({ source }) => source)).to.have.members(['/of/volumes', '/last']); // prettier-ignore
  });

  it('A volume of the image is anonymous, where nothing else is mounted', () => {
    expect(anonymousVolumesOf(['/a/', '/b', '/b'], [bind('/a')])).to.deep.equal([
      volumeMount('image', '/b', {}, false),
    ]);
    const mounts = [bind('/a/b')];
    expect(withImageVolumes(mounts, ['/a']).map(({ target }) => target)).to.deep.equal(['/a', '/a/b']); // prettier-ignore
    expect(withImageVolumes(mounts)).to.equal(mounts);
  });
});
