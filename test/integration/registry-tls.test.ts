/** Registries with TLS, behind proxies, and with mirrors. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseReference } from '../../lib/image/reference.js';
import { RegistryClient, type RegistryOptions } from '../../lib/image/registry/registry-client.js';
import { TestAuthority, type CertificateFiles } from '../support/certificates.js';
import { HostileRegistry } from '../support/hostile-registry.js';
import { TestProxy } from '../support/http-proxy.js';
import { needsProgram } from '../support/needs.js';
import {
  descriptorOf,
  makeImage,
  MemorySink,
  pushImage,
  QUIET,
  sourceOf,
  TestRegistry,
} from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';

needsProgram('docker-registry').describe('the way to a registry', () => {
  let directory: string;
  let authority: TestAuthority;
  let server: CertificateFiles;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'caisson-tls-'));
    authority = new TestAuthority(directory);
    server = authority.issue('server', ['IP:127.0.0.1', 'DNS:registry.test']);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  const keep = <T>(thing: T, close: (thing: T) => Promise<void>): T => {
    closing.push(() => close(thing));
    return thing;
  };
  const open = async (name: string, options: RegistryOptions = {}) =>
    keep(await RegistryClient.open(parseReference(name), { ...QUIET, ...options }), (client) => client.close()); // prettier-ignore
  const startRegistry = async (settings = {}) =>
    keep(await TestRegistry.start(settings), (registry) => registry.stop());

  let serial = 0;
  /** @returns a directory certs.d with files for one host. */
  const certsFor = (host: string, files: Readonly<Record<string, string>>): string => {
    const certs = join(directory, `certs.d-${serial++}`);
    mkdirSync(join(certs, host), { recursive: true });
    for (const [name, source] of Object.entries(files))
      copyFileSync(source, join(certs, host, name));
    return certs;
  };
  const image = makeImage([randomBytes(100_000)]);

  it('A certificate is accepted from an authority of certs.d, and from no other', async () => {
    const registry = await startRegistry({ tls: server });
    const error = await rejectionOf((await open(`${registry.host}/a:1`)).resolve());
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(error.message).to.contain('certificate is not trusted');
    expect(error.hint).to.contain(`/etc/docker/certs.d/${registry.host}/ca.crt`);
    const trusting = { certificateDirectories: ['/none', certsFor(registry.host, { 'ca.crt': authority.ca.certificate })] }; // prettier-ignore
    const client = await open(`${registry.host}/a:1`, trusting);
    await pushImage(client, image);
    expect((await client.resolve()).descriptor).to.deep.equal(image.descriptor);
    const sink = new MemorySink();
    await client.fetchBlob(descriptorOf(image.layers[0]!), sink);
    expect(sink.bytes.equals(image.layers[0]!)).to.equal(true);
    const elsewhere = { certificateDirectories: [certsFor('other.example', { 'ca.crt': authority.ca.certificate })] }; // prettier-ignore
    const refused = await rejectionOf((await open(`${registry.host}/a:1`, elsewhere)).resolve());
    expect(refused.message).to.contain('certificate is not trusted');
    expect((await (await open(`${registry.host}/a:1`, { insecure: true })).resolve()).descriptor).to.deep.equal(image.descriptor); // prettier-ignore
  });

  it('A certificate for another name is refused', async () => {
    const registry = await startRegistry({ tls: authority.issue('other', ['DNS:other.example']) });
    const certificateDirectories = [
      certsFor(registry.host, { 'ca.crt': authority.ca.certificate }),
    ];
    const error = await rejectionOf((await open(`${registry.host}/a:1`, { certificateDirectories })).resolve()); // prettier-ignore
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    expect(error.message).to.contain('certificate is not trusted');
  });

  it('A registry that wants a certificate of the client gets that of certs.d', async () => {
    const registry = await startRegistry({
      tls: { ...server, clientCa: authority.ca.certificate },
    });
    const client = authority.issue('client', ['DNS:client']);
    const ca = { 'ca.crt': authority.ca.certificate };
    const without = { certificateDirectories: [certsFor(registry.host, ca)] };
    const error = await rejectionOf((await open(`${registry.host}/a:1`, without)).ping());
    expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
    const own = { ...ca, 'client.cert': client.certificate, 'client.key': client.key };
    const certificateDirectories = [certsFor(registry.host, own)];
    await (await open(`${registry.host}/a:1`, { certificateDirectories })).ping();
    const noKey = [certsFor(registry.host, { ...ca, 'client.cert': client.certificate })];
    const broken = await rejectionOf((await open(`${registry.host}/a:1`, { certificateDirectories: noKey })).ping()); // prettier-ignore
    expect(broken.code).to.equal('ERR_REGISTRY_CONFIG');
    expect(broken.message).to.contain('client.key is missing');
  });

  it('The CAs of the system are read for a registry on this machine only if it shows a certificate of another authority', async () => {
    const unreadable = join(directory, 'missing.pem');
    const env = { SSL_CERT_FILE: unreadable };
    const plain = await startRegistry();
    await pushImage(await open(`${plain.host}/a:1`, { env }), image);
    const secure = await startRegistry({ tls: server });
    const own = [certsFor(secure.host, { 'ca.crt': authority.ca.certificate })];
    for (const options of [{ env }, { env, certificateDirectories: own }]) {
      const error = await rejectionOf((await open(`${secure.host}/a:1`, options)).ping());
      expect(error.code).to.equal('ERR_REGISTRY_CONFIG');
      expect(error.message).to.contain(unreadable);
    }
    await (await open(`${secure.host}/a:1`, { env, insecure: true })).ping();
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    it(`With ${version}, a certificate of the system's CAs is accepted, and no other gets a request`, async () => {
      const tls = {
        key: readFileSync(server.key, 'utf8'),
        cert: readFileSync(server.certificate, 'utf8'),
        maxVersion: version,
        requestCert: true,
        ca: readFileSync(authority.ca.certificate, 'utf8'),
      };
      const registry = keep(await HostileRegistry.start((_, response) => response.end('{}'), tls), (each) => each.stop()); // prettier-ignore
      const client = authority.issue('client', ['DNS:client']);
      const certificateDirectories = [
        certsFor(registry.host, { 'client.cert': client.certificate, 'client.key': client.key }),
      ];
      const other = mkdtempSync(join(directory, 'other-'));
      const { certificate: foreign } = new TestAuthority(other).ca;
      const refused = await rejectionOf((await open(`${registry.host}/a:1`, { certificateDirectories, env: { SSL_CERT_FILE: foreign } })).ping()); // prettier-ignore
      expect(refused.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(refused.message).to.contain('certificate is not trusted');
      expect(registry.requests).to.deep.equal([]);
      const env = { SSL_CERT_FILE: authority.ca.certificate };
      await (await open(`${registry.host}/a:1`, { certificateDirectories, env })).ping();
      expect(registry.requests.map(({ line }) => line)).to.include('GET /v2/');
    });

  it('From https, neither a redirect nor an upload leads to http', async () => {
    const tls = {
      key: readFileSync(server.key, 'utf8'),
      cert: readFileSync(server.certificate, 'utf8'),
    };
    const plain = keep(await HostileRegistry.start((_, response) => response.end('x')), (each) => each.stop()); // prettier-ignore
    const registry = keep(
      await HostileRegistry.start((request, response) => {
        if (request.method === 'HEAD') return response.writeHead(404).end();
        const status = request.method === 'POST' ? 202 : 302;
        return response.writeHead(status, { location: `http://${plain.host}/x` }).end();
      }, tls),
      (each) => each.stop(),
    );
    const client = await open(`${registry.host}/a:1`, { insecure: true });
    const blob = Buffer.from('x');
    for (const promise of [
      () => client.fetchBlob(descriptorOf(blob), new MemorySink()),
      () => client.pushBlob(descriptorOf(blob), sourceOf(blob)),
    ]) {
      const error = await rejectionOf(promise());
      expect(error.code).to.equal('ERR_REGISTRY_FAILED');
      expect(error.message).to.contain('from https to http');
    }
    expect(plain.requests).to.deep.equal([]);
  });

  describe('proxies', () => {
    const startProxy = async (target: string, credentials?: string) =>
      keep(await TestProxy.start(target, credentials), (proxy) => proxy.stop());
    const env = { HTTP_PROXY: '', HTTPS_PROXY: '' };

    it('A tunnel of HTTPS_PROXY leads to a registry that only the proxy knows', async () => {
      const registry = await startRegistry({ tls: server });
      const port = registry.host.split(':')[1]!;
      const proxy = await startProxy(registry.host, 'me:p@ss');
      const certificateDirectories = [certsFor(`registry.test:${port}`, { 'ca.crt': authority.ca.certificate })]; // prettier-ignore
      const options = {
        certificateDirectories,
        env: { ...env, HTTPS_PROXY: `http://me:p%40ss@${proxy.url}` },
      };
      const client = await open(`registry.test:${port}/a:1`, options);
      await pushImage(client, image);
      const sink = new MemorySink();
      await client.fetchBlob(descriptorOf(image.layers[0]!), sink);
      expect(sink.bytes.equals(image.layers[0]!)).to.equal(true);
      expect([...new Set(proxy.requests)]).to.deep.equal([`CONNECT registry.test:${port}`]);
      const wrong = { ...options, env: { ...env, HTTPS_PROXY: `http://${proxy.url}` } };
      const error = await rejectionOf((await open(`registry.test:${port}/a:1`, wrong)).ping());
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.message).to.contain('the proxy wants credentials');
    });

    it('Requests over http go to HTTP_PROXY as a whole', async () => {
      const registry = await startRegistry();
      const proxy = await startProxy(registry.host);
      const options = { insecure: true, env: { ...env, HTTP_PROXY: `http://${proxy.url}`, HTTPS_PROXY: `http://${proxy.url}` } }; // prettier-ignore
      const client = await open('registry.test/a:1', options);
      await pushImage(client, image);
      expect((await client.resolve()).descriptor).to.deep.equal(image.descriptor);
      expect(proxy.requests).to.include('GET http://registry.test/v2/a/manifests/1');
    });

    it('A proxy that cannot be reached is named', async () => {
      const proxy = await TestProxy.start('127.0.0.1:1');
      await proxy.stop();
      const options = { env: { ...env, HTTPS_PROXY: `http://${proxy.url}` } };
      const error = await rejectionOf((await open('registry.test/a:1', options)).ping());
      expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(error.message).to.contain('the proxy cannot be reached');
    });
  });

  describe('mirrors', () => {
    it('A mirror is asked first, and what it has not or breaks comes from the registry', async () => {
      const registry = await startRegistry();
      const mirror = await startRegistry();
      await pushImage(await open(`${registry.host}/a:1`), image);
      await pushImage(await open(`${mirror.host}/copies/b:1`), image);
      const broken = keep(
        await HostileRegistry.start((_, response) => response.end(randomBytes(1000))),
        (each) => each.stop(),
      );
      const configuration = (hosts: readonly string[]) => ({
        dockerMirrors: [],
        insecure: [],
        rules: [
          {
            prefix: 'registry.invalid',
            location: registry.host,
            insecure: false,
            blocked: false,
            file: 'test',
            mirrors: hosts.map((location) => ({
              location,
              insecure: false,
              pulls: 'all' as const,
            })),
          },
        ],
      });
      const pull = async (name: string, mirrors: readonly string[]) => {
        const client = await open(name, { configuration: configuration(mirrors) });
        const { manifest, descriptor } = await client.resolve();
        expect(descriptor).to.deep.equal(image.descriptor);
        const sink = new MemorySink();
        await client.fetchBlob(manifest.layers[0]!, sink);
        expect(sink.bytes.equals(image.layers[0]!)).to.equal(true);
      };
      // Only the mirror has it, only the registry has it, and a mirror that lies or is not there.
      await pull('registry.invalid/b:1', [`${mirror.host}/copies`]);
      await pull('registry.invalid/a:1', [`${mirror.host}/copies`]);
      await pull('registry.invalid/a:1', [broken.host, '127.0.0.1:1']);
      expect(broken.content.length).to.be.above(0);
      const error = await rejectionOf(pull('registry.invalid/c:1', [`${mirror.host}/copies`]));
      expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
      expect(error.message).to.contain(registry.host);
    });
  });
});
