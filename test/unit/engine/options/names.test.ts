import { expect } from 'chai';
import { injectedFiles } from '../../../../lib/engine/spec/files.js';
import { normalizeNames } from '../../../../lib/engine/options/names.js';
import { checkContainerName } from '../../../../lib/engine/options/host-names.js';
import { newId, shortId } from '../../../../lib/base/ids.js';
import { randomName } from '../../../../lib/base/random-name.js';

describe('ids and names', () => {
  it('The ids have 64 digits whose first twelve are not all decimal', () => {
    for (let n = 0; n < 2000; n++) {
      const id = newId();
      expect(id).to.match(/^[0-9a-f]{64}$/);
      expect(shortId(id)).to.match(/^(?=.*[a-f])[0-9a-f]{12}$/);
    }
  });

  it('The names are valid', () => {
    for (let n = 0; n < 500; n++) {
      expect(randomName()).to.match(/^[a-z]+_[a-z]+$/);
      expect(checkContainerName(randomName(n % 4))).to.match(/^[a-z]+_[a-z]+\d*$/);
    }
  });
});

describe('the words of names', () => {
  it('The words are many enough that names seldom meet', () => {
    const adjectives = new Set<string>();
    const surnames = new Set<string>();
    const names = new Set<string>();
    for (let n = 0; n < 20_000; n++) {
      const name = randomName();
      names.add(name);
      const [adjective = '', surname = ''] = name.split('_');
      adjectives.add(adjective);
      surnames.add(surname);
    }
    expect(adjectives.size).to.be.at.least(90);
    expect(surnames.size).to.be.at.least(150);
    // 20,000 draws of adjectives × surnames: with too few words most would be repeated.
    expect(names.size).to.be.greaterThan(8_000);
  });
});

describe('injected files', () => {
  const content = (
    names: Parameters<typeof normalizeNames>[0],
    host?: Parameters<typeof injectedFiles>[2],
  ): Record<string, string> =>
    Object.fromEntries(
      injectedFiles(normalizeNames(names), 'box', host).map((file) => [file.path, file.content]),
    );

  it('A container without a network has its loopback in /etc/hosts', () => {
    const files = content({});
    expect(files['/etc/hostname']).to.equal('box\n');
    expect(files['/etc/hosts']).to.match(/^127\.0\.0\.1\tlocalhost\n/);
    expect(files['/etc/hosts']).to.include('127.0.1.1\tbox\n');
    expect(files['/etc/resolv.conf']).to.equal('');
  });

  it('A domain name follows the host name in /etc/hosts, and the host name alone comes after it', () => {
    const line = (hostname: string, domainname?: string) =>
      injectedFiles(
        normalizeNames({}),
        hostname,
        { resolvConf: '', addresses: ['10.0.0.2'] },
        domainname,
      )
        .find(({ path }) => path === '/etc/hosts')
        ?.content.split('\n')
        .at(-2);
    expect(line('box')).to.equal('10.0.0.2\tbox');
    expect(line('box', 'example.org')).to.equal('10.0.0.2\tbox.example.org box');
    expect(line('box.example.org')).to.equal('10.0.0.2\tbox.example.org box');
    expect(line('.box')).to.equal('10.0.0.2\t.box');
  });

  it('The injected files have what was asked for', () => {
    const files = content({
      addHost: ['db:10.0.0.1', 'six=[::1]', 'v6:fe80::1'],
      dns: ['1.1.1.1', '::1'],
      dnsSearch: ['a.b'],
      dnsOption: ['ndots:2'],
    });
    expect(files['/etc/hosts']?.endsWith('10.0.0.1\tdb\n::1\tsix\nfe80::1\tv6\n')).to.equal(true);
    expect(files['/etc/resolv.conf']).to.equal(
      'search a.b\nnameserver 1.1.1.1\nnameserver ::1\noptions ndots:2\n',
    );
  });

  it('The injected files start from the host’s files, less what was replaced', () => {
    const host = {
      hosts: '127.0.0.1 localhost',
      resolvConf: '# theirs\nnameserver 9.9.9.9\nsearch corp\noptions edns0\n',
    };
    expect(content({ addHost: ['a:1.2.3.4'] }, host)['/etc/hosts']).to.equal(
      '127.0.0.1 localhost\n1.2.3.4\ta\n',
    );
    expect(content({}, host)['/etc/resolv.conf']).to.equal(host.resolvConf);
    expect(content({ dns: ['1.1.1.1'], dnsSearch: ['.'] }, host)['/etc/resolv.conf']).to.equal(
      'nameserver 1.1.1.1\noptions edns0\n# theirs\n',
    );
  });
});
