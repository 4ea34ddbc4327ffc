/** registries.conf and daemon.json: mirrors, other locations, insecure and blocked registries. */
import { expect } from 'chai';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseReference } from '../../../../lib/image/reference.js';
import {
  locate,
  readRegistriesConfiguration,
  type RegistriesConfiguration,
} from '../../../../lib/image/registry/registries-conf.js';
import { setUpFreshDirectory } from '../../../support/fresh-directory.js';

describe('registries.conf', () => {
  let directory: string;
  setUpFreshDirectory((path) => (directory = path));

  const read = (files: Readonly<Record<string, string>>): RegistriesConfiguration => {
    mkdirSync(join(directory, 'conf.d'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return readRegistriesConfiguration({
      registriesConf: [join(directory, 'none.conf'), join(directory, 'registries.conf')],
      dropIns: [join(directory, 'conf.d'), join(directory, 'no.d')],
      daemonJson: join(directory, 'daemon.json'),
    });
  };
  const places = (name: string, configuration: RegistriesConfiguration): string =>
    locate(parseReference(name), configuration)
      .map(({ host, path, insecure }) => `${host} ${path}${insecure ? ' insecure' : ''}`)
      .join(', ');
  const digest = `sha256:${'a'.repeat(64)}`;

  it('Without files, a repository is where its name says', () => {
    const none = read({});
    expect(places('debian', none)).to.equal('docker.io library/debian');
    expect(places('localhost:5000/a/b', none)).to.equal('localhost:5000 a/b');
  });

  it('Mirrors come before the registry, and the longest prefix decides', () => {
    const configuration = read({
      'registries.conf': `
unqualified-search-registries = ["other.example"]
short-name-mode = "enforcing"
[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "mirror.example:5000/hub"
insecure = true
[[registry.mirror]]
location = "second.example"
pull-from-mirror = "digest-only"

[[registry]]
prefix = "docker.io/library"
location = "copies.example/official"
[[registry]]
prefix = "*.corp.example"
location = "proxy.example"
insecure = true
[[registry]]
location = "by.example"
mirror-by-digest-only = true
mirror = [ { location = "m.example" } ]
[aliases]
"debian" = "evil.example/debian"
`,
    });
    expect(places('user/tool', configuration)).to.equal(
      'mirror.example:5000 hub/user/tool insecure, docker.io user/tool',
    );
    expect(places(`user/tool@${digest}`, configuration)).to.equal(
      'mirror.example:5000 hub/user/tool insecure, second.example user/tool, docker.io user/tool',
    );
    expect(places('debian', configuration)).to.equal('copies.example official/debian');
    expect(places('docker.io/libraryx/a', configuration)).to.contain('docker.io libraryx/a');
    expect(places('a.corp.example/x/y', configuration)).to.equal('proxy.example x/y insecure');
    expect(places('corp.example/x', configuration)).to.equal('corp.example x');
    expect(places('by.example/x:1', configuration)).to.equal('by.example x');
    expect(places(`by.example/x@${digest}`, configuration)).to.equal('m.example x, by.example x');
  });

  it('A later drop-in file replaces what an earlier file says of the same prefix', () => {
    const configuration = read({
      'registries.conf': '[[registry]]\nlocation = "a.example"\ninsecure = true\n',
      'conf.d/10.conf': '[[registry]]\nprefix = "a.example"\nlocation = "b.example"\n',
      'conf.d/20.conf': '[[registry]]\nprefix = "a.example"\nlocation = "c.example"\n',
      'conf.d/30.txt': 'garbage',
    });
    expect(places('a.example/x', configuration)).to.equal('c.example x');
  });

  it('A blocked prefix is ERR_REGISTRY_BLOCKED, and names the file', () => {
    const configuration = read({
      'registries.conf': '[[registry]]\nprefix = "a.example/no"\nlocation="a.example/no"\nblocked = true\n', // prettier-ignore
    });
    expect(places('a.example/nothing', configuration)).to.equal('a.example nothing');
    expect(() => places('a.example/no/x', configuration))
      .to.throw(/blocked by .*registries.conf/)
      .with.property('code', 'ERR_REGISTRY_BLOCKED');
  });

  it('Docker’s daemon.json has mirrors of docker.io and insecure registries', () => {
    const configuration = read({
      'daemon.json': '{"registry-mirrors":["https://m.example/hub/","http://10.0.0.1:5000"],"insecure-registries":["r.example","s.example:5000","10.1.0.0/16","fd00::/8"],"debug":true}', // prettier-ignore
    });
    expect(places('debian', configuration)).to.equal(
      'm.example hub/library/debian, 10.0.0.1:5000 library/debian insecure, docker.io library/debian',
    );
    const insecure = ['r.example/a', 'r.example:1/a', 's.example:5000/a', '10.1.2.3:5000/a', '[fd00::1]:5000/a']; // prettier-ignore
    const secure = ['s.example/a', '10.2.0.1:5000/a', 'x.r.example/a', '[fe80::1]/a'];
    for (const name of insecure) expect(places(name, configuration), name).to.match(/ insecure$/);
    for (const name of secure) expect(places(name, configuration), name).to.not.match(/insecure/);
  });

  const refused: readonly (readonly [file: string, text: string, message: RegExp])[] = [
    ['registries.conf', '[[registry]]\nlocation = ', /line 2: a value is missing/],
    ['registries.conf', '[[registry]]\nlocation = 7\n', /location is not a text/],
    ['registries.conf', '[[registry]]\ninsecure = true\n', /neither prefix nor location/],
    ['registries.conf', '[[registry]]\nlocation = "a"\nblocked = "yes"\n', /blocked is not true or false/], // prettier-ignore
    ['registries.conf', '[registry]\nlocation = "a"\n', /not a list of tables/],
    ['registries.conf', '[registries.search]\nx = 1\n[registries.search]\n', /there twice/],
    ['registries.conf', 'a = """x"""', /several lines/],
    ['daemon.json', '{', /not a JSON object/],
    ['daemon.json', '{"registry-mirrors":["mirror"]}', /is no URL/],
    ['daemon.json', '{"insecure-registries":"all"}', /not a list of texts/],
  ];
  for (const [file, text, message] of refused)
    it(`The file ${file} with ${JSON.stringify(text).slice(0, 50)} is refused`, () => {
      expect(() => read({ [file]: text }))
        .to.throw(message)
        .with.property('code', 'ERR_REGISTRY_CONFIG');
    });
});
