/** Names of images: Docker's grammar. */
import { expect } from 'chai';
import fc from 'fast-check';
import { CaissonError } from '../../../lib/base/errors.js';
import {
  familiarName,
  familiarRepository,
  fullName,
  isDigest,
  parseReference,
  repositoryName,
  withDefaultTag,
} from '../../../lib/image/reference.js';
import { sampleSize } from '../../support/sample.js';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;

function refusal(text: unknown): CaissonError {
  try {
    parseReference(text as string);
  } catch (error) {
    expect(error).to.be.instanceOf(CaissonError);
    return error as CaissonError;
  }
  throw new Error(`${JSON.stringify(text)} was accepted`);
}

describe('names of images', () => {
  /** What is written, the full name, and the familiar one if it is not what was written. */
  const names: readonly (readonly [written: string, full: string, familiar?: string])[] = [
    ['debian', 'docker.io/library/debian'],
    ['debian:12', 'docker.io/library/debian:12'],
    ['library/debian', 'docker.io/library/debian', 'debian'],
    ['docker.io/debian', 'docker.io/library/debian', 'debian'],
    ['docker.io/library/debian', 'docker.io/library/debian', 'debian'],
    ['index.docker.io/debian', 'docker.io/library/debian', 'debian'],
    ['index.docker.io/library/debian:x', 'docker.io/library/debian:x', 'debian:x'],
    ['user/tool', 'docker.io/user/tool'],
    ['docker.io/user/tool', 'docker.io/user/tool', 'user/tool'],
    ['localhost/tool', 'localhost/tool'],
    ['localhost', 'docker.io/library/localhost'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['localhost:5000/tool', 'localhost:5000/tool'],
    ['localhost:5000/a/b/c:1.0', 'localhost:5000/a/b/c:1.0'],
    ['127.0.0.1:5000/tool', '127.0.0.1:5000/tool'],
    ['[::1]/tool', '[::1]/tool'],
    ['[::1]:5000/tool', '[::1]:5000/tool'],
    ['[2001:db8::1]:5000/a/tool:x', '[2001:db8::1]:5000/a/tool:x'],
    ['registry.example/tool', 'registry.example/tool'],
    ['registry.example:443/a/tool', 'registry.example:443/a/tool'],
    ['REGISTRY/tool', 'REGISTRY/tool'],
    ['Registry.Example/tool', 'Registry.Example/tool'],
    ['xn--n3h.example/tool', 'xn--n3h.example/tool'],
    ['a-b.example/tool', 'a-b.example/tool'],
    ['a.b/c', 'a.b/c'],
    ['a_b/c__d', 'docker.io/a_b/c__d'],
    ['a---b/c.d', 'docker.io/a---b/c.d'],
    ['a/b/c/d', 'docker.io/a/b/c/d'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['docker.io/a.b/c', 'docker.io/a.b/c', 'docker.io/a.b/c'],
    ['docker.io/localhost/c', 'docker.io/localhost/c', 'docker.io/localhost/c'],
    [`debian@${DIGEST}`, `docker.io/library/debian@${DIGEST}`],
    [`debian:12@${DIGEST}`, `docker.io/library/debian:12@${DIGEST}`],
    [`localhost:5000/a:Tag_1.x-y@${DIGEST}`, `localhost:5000/a:Tag_1.x-y@${DIGEST}`],
    [`a@sha512:${HEX}${HEX}`, `docker.io/library/a@sha512:${HEX}${HEX}`],
    [`a:${'t'.repeat(128)}`, `docker.io/library/a:${'t'.repeat(128)}`],
    [`${'a'.repeat(63)}`, `docker.io/library/${'a'.repeat(63)}`],
    [`a/${HEX}`, `docker.io/a/${HEX}`],
    [`docker.io/library/x/${'a'.repeat(235)}`, `docker.io/library/x/${'a'.repeat(235)}`, `library/x/${'a'.repeat(235)}`], // prettier-ignore
  ];
  for (const [written, full, familiar = written] of names)
    it(`The name ${written.slice(0, 60)} is ${full.slice(0, 60)}`, () => {
      const reference = parseReference(written);
      expect(fullName(reference)).to.equal(full);
      expect(familiarName(reference)).to.equal(familiar);
      expect(parseReference(full)).to.deep.equal(reference);
      expect(parseReference(familiar)).to.deep.equal(reference);
    });

  const refused: readonly (readonly [text: unknown, message: RegExp])[] = [
    ['', /is empty/],
    [7, /not a string/],
    [undefined, /not a string/],
    [' debian', /malformed/],
    ['debian ', /malformed/],
    ['debian\n', /malformed/],
    ['debian\0', /malformed/],
    ['Debian', /lower case/],
    ['user/Tool', /lower case/],
    ['docker.io/Debian', /lower case/],
    ['debian:', /malformed tag/],
    ['debian:-x', /malformed tag/],
    ['debian:.x', /malformed tag/],
    ['debian:a:b', /malformed tag/],
    ['debian:é', /malformed tag/],
    [`debian:${'t'.repeat(129)}`, /malformed tag/],
    ['debian@', /malformed digest/],
    ['debian@sha256:abc', /malformed digest/],
    [`debian@sha256:${HEX.toUpperCase()}`, /malformed digest/],
    [`debian@md5:${'a'.repeat(32)}`, /malformed digest/],
    [`debian@${DIGEST}@${DIGEST}`, /malformed digest/],
    [`debian@${DIGEST}:tag`, /malformed digest/],
    ['/debian', /malformed/],
    ['debian/', /malformed/],
    ['a//b', /malformed/],
    ['a/../b', /malformed/],
    ['x/a/../b', /malformed/],
    ['-a', /malformed/],
    ['a-', /malformed/],
    ['a..b', /malformed/],
    ['a.-b', /malformed/],
    ['a___b', /malformed/],
    ['a/b@c', /malformed digest/],
    ['-host.example/a', /malformed domain/],
    ['host-.example/a', /malformed domain/],
    ['host..example/a', /malformed domain/],
    ['host.example:/a', /malformed domain/],
    ['host.example:port/a', /malformed domain/],
    ['[::1/a', /malformed domain/],
    ['[::1]x/a', /malformed domain/],
    ['[fe80::1%25eth0]/a', /malformed domain/],
    ['[]:5000/a', /malformed domain/],
    ['::1/a', /malformed domain/],
    ['user@host.example/a', /malformed digest/],
    ['https://host.example/a', /malformed domain/],
    [HEX, /form of an id/],
    [`docker.io/${'a'.repeat(300)}`, /longer than 255/],
    [`docker.io/library/${'a'.repeat(238)}`, /longer than 255/],
    ['a'.repeat(100_000), /too long/],
  ];
  for (const [text, message] of refused)
    it(`The name ${String(JSON.stringify(text)).slice(0, 60)} is refused`, () => {
      const error = refusal(text);
      expect(error.code).to.equal('ERR_INVALID_REFERENCE');
      expect(error.message).to.match(message);
      expect(error.message.length).to.be.below(500);
    });

  it('A name without tag and digest gets the tag latest', () => {
    expect(fullName(withDefaultTag(parseReference('a')))).to.equal('docker.io/library/a:latest');
    expect(fullName(withDefaultTag(parseReference('a:1')))).to.equal('docker.io/library/a:1');
    expect(fullName(withDefaultTag(parseReference(`a@${DIGEST}`)))).to.equal(
      `docker.io/library/a@${DIGEST}`,
    );
  });

  it('The name of a repository has neither tag nor digest', () => {
    const reference = parseReference(`debian:12@${DIGEST}`);
    expect(repositoryName(reference)).to.equal('docker.io/library/debian');
    expect(familiarRepository(reference)).to.equal('debian');
  });

  it('A digest has a known algorithm and its number of hexadecimal digits', () => {
    expect(isDigest(DIGEST)).to.equal(true);
    for (const text of ['', ':', 'sha256:', HEX, `sha256:${HEX}a`, `SHA256:${HEX}`, `x:${HEX}`])
      expect(isDigest(text), text).to.equal(false);
  });

  const alnum = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const component = fc
    .tuple(
      alnum,
      fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '--'), alnum), { maxLength: 2 }),
    ) // prettier-ignore
    .map(([first, rest]) => first + rest.flat().join(''));
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const label = fc.stringMatching(/^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?$/);
  const domain = fc
    .tuple(
      fc.oneof(
        fc.constantFrom('localhost', '127.0.0.1', '[::1]', '[2001:db8::a]', 'docker.io'),
        fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.')),
      ),
      fc.option(fc.nat({ max: 65_535 }), { nil: undefined }),
    )
    .map(([host, port]) => (port === undefined ? host : `${host}:${port}`));
  const reference = fc.record({
    domain,
    path,
    tag: fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: undefined }),
    digest: fc.option(fc.stringMatching(/^[a-f0-9]{64}$/).map((hex) => `sha256:${hex}`), { nil: undefined }), // prettier-ignore
  });

  it('Every reference that was parsed is the same after its full and its familiar name were parsed', () => {
    fc.assert(
      fc.property(reference, (parts) => {
        const full = fullName(parts);
        const parsed = parseReference(full);
        expect(parseReference(fullName(parsed))).to.deep.equal(parsed);
        expect(parseReference(familiarName(parsed))).to.deep.equal(parsed);
        expect(familiarName(parsed).length).to.be.at.most(full.length + 'library/'.length);
        expect({ tag: parsed.tag, digest: parsed.digest }).to.deep.equal({
          tag: parts.tag,
          digest: parts.digest,
        });
      }),
      { numRuns: sampleSize(2000) },
    );
  });

  it('Any text is parsed or refused, and at once', () => {
    const nasty = fc.oneof(
      fc.string({ maxLength: 400 }),
      fc.array(fc.constantFrom('a', '-', '_', '.', '/', ':', '@', 'A', '[', ']', '0', 'sha256:'), { maxLength: 300 }).map((all) => all.join('')), // prettier-ignore
    );
    fc.assert(
      fc.property(nasty, (text) => {
        try {
          expect(parseReference(fullName(parseReference(text)))).to.deep.equal(parseReference(text)); // prettier-ignore
        } catch (error) {
          expect(error).to.have.property('code', 'ERR_INVALID_REFERENCE');
        }
      }),
      { numRuns: sampleSize(2000) },
    );
    // With a pattern that backtracks these would take years.
    for (const text of ['a-'.repeat(200), `${'a'.repeat(500)}!`, `${'a.'.repeat(150)}/`])
      expect(refusal(text).code).to.equal('ERR_INVALID_REFERENCE');
  });
});
