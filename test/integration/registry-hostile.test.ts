/** Registries that stall, lie, break off, or lead elsewhere: each ends in an error with a code, after a bounded effort. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../lib/base/errors.js';
import { MEDIA_TYPES, MOST_LAYERS } from '../../lib/image/manifest.js';
import { parsePlatform } from '../../lib/image/platform.js';
import { parseReference } from '../../lib/image/reference.js';
import { RegistryClient, type RegistryOptions } from '../../lib/image/registry/registry-client.js';
import { HostileRegistry, serving, type Handler } from '../support/hostile-registry.js';
import {
  descriptorOf,
  digestOf,
  makeImage,
  MemorySink,
  QUIET,
  sourceOf,
} from '../support/registry.js';
import { rejectionOf } from '../support/rejection.js';

describe('hostile registries', () => {
  const running: HostileRegistry[] = [];
  const clients: RegistryClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await Promise.all(running.splice(0).map((registry) => registry.stop()));
  });

  const start = async (handler: Handler): Promise<HostileRegistry> => {
    const registry = await HostileRegistry.start(handler);
    running.push(registry);
    return registry;
  };
  const open = async (
    { host }: HostileRegistry,
    options: RegistryOptions = {},
  ): Promise<RegistryClient> => {
    const client = await RegistryClient.open(parseReference(`${host}/test:1`), {
      ...QUIET,
      ...options,
    });
    clients.push(client);
    return client;
  };
  const password = { kind: 'password', username: 'user', password: 'secret' } as const;
  const blob = randomBytes(200_000);
  const descriptor = descriptorOf(blob);

  describe('manifests', () => {
    const image = makeImage([Buffer.from('x')]);
    const fields = JSON.parse(image.manifest.toString()) as Record<string, unknown>;
    const layer = descriptorOf(Buffer.from('x'));
    const changed = (change: object) => JSON.stringify({ ...fields, ...change });
    const cases: readonly (readonly [
      what: string,
      manifest: string | Buffer,
      code: ErrorCode,
      message: RegExp,
      type?: string,
    ])[] = [
      ['no JSON', 'garbage', 'ERR_INVALID_MANIFEST', /not a JSON object/],
      ['a list', '[]', 'ERR_INVALID_MANIFEST', /not a JSON object/],
      ['nothing', '', 'ERR_INVALID_MANIFEST', /not a JSON object/],
      ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'ERR_INVALID_MANIFEST', /not UTF-8/],
      ['schema 1', changed({ schemaVersion: 1 }), 'ERR_INVALID_MANIFEST', /schema 1/],
      ['another media type', image.manifest, 'ERR_INVALID_MANIFEST', /announced as/, MEDIA_TYPES.index], // prettier-ignore
      ['an unknown media type', changed({ mediaType: 'a/b' }), 'ERR_INVALID_MANIFEST', /media type/, 'text/plain'], // prettier-ignore
      ['an index and a manifest at once', changed({ manifests: [] }), 'ERR_INVALID_MANIFEST', /at once/], // prettier-ignore
      ['no layers', changed({ layers: undefined }), 'ERR_INVALID_MANIFEST', /no list of layers/],
      ['no config', changed({ config: undefined }), 'ERR_INVALID_MANIFEST', /no descriptor/],
      ['10,000 layers', changed({ layers: Array(10_000).fill(layer) }), 'ERR_INVALID_MANIFEST', new RegExp(`more than ${MOST_LAYERS}`)], // prettier-ignore
      ['a digest with a path', changed({ layers: [{ ...layer, digest: 'sha256:../../etc/passwd' }] }), 'ERR_INVALID_MANIFEST', /no digest in layers\[0\]/], // prettier-ignore
      ['a negative size', changed({ layers: [{ ...layer, size: -1 }] }), 'ERR_INVALID_MANIFEST', /no size/], // prettier-ignore
      ['a size of 1e300', changed({ layers: [{ ...layer, size: 1e300 }] }), 'ERR_INVALID_MANIFEST', /no size/], // prettier-ignore
      ['annotations of numbers', changed({ annotations: { a: 1 } }), 'ERR_INVALID_MANIFEST', /annotations/], // prettier-ignore
    ];
    for (const [what, manifest, code, message, type] of cases)
      it(`A manifest with ${what} is refused`, async () => {
        const error = await rejectionOf(
          (await open(await start(serving(manifest, type)))).resolve(),
        );
        expect(error.code).to.equal(code);
        expect(error.message).to.match(message);
      });

    it('A manifest of 100 MB is not read', async () => {
      for (const headers of [{ 'content-length': '100000000' }, {}]) {
        let sent = 0;
        const registry = await start((_, response) => {
          response.writeHead(200, { 'content-type': MEDIA_TYPES.manifest, ...headers });
          const more = () => {
            while (sent < 100_000_000 && !response.destroyed) {
              sent += 65_536;
              if (!response.write(Buffer.alloc(65_536, 0x20))) return void response.once('drain', more); // prettier-ignore
            }
          };
          more();
        });
        const error = await rejectionOf((await open(registry)).resolve());
        expect(error.code).to.equal('ERR_INVALID_MANIFEST');
        expect(error.message).to.match(/more than 4194304 bytes/);
        expect(sent).to.be.below(20_000_000);
      }
    });

    it('Another manifest than that of the digest is refused', async () => {
      const registry = await start(serving(image.manifest));
      const client = await open(registry);
      const error = await rejectionOf(client.manifest(digestOf(Buffer.from('another'))));
      expect(error.code).to.equal('ERR_DIGEST_MISMATCH');
      const lying = await start((_, response) => {
        response.setHeader('docker-content-digest', digestOf(Buffer.from('another')));
        response.end(image.manifest);
      });
      expect((await rejectionOf((await open(lying)).resolve())).code).to.equal(
        'ERR_DIGEST_MISMATCH',
      );
    });

    it('An index that leads to itself, and indexes in each other, are followed for a few steps', async () => {
      const index = (next: { bytes: Buffer }) => ({
        bytes: Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: MEDIA_TYPES.index,
            manifests: [descriptorOf(next.bytes, MEDIA_TYPES.index)],
          }),
        ),
        mediaType: MEDIA_TYPES.index,
      });
      const chain: { bytes: Buffer; mediaType: string }[] = [
        { bytes: image.manifest, mediaType: MEDIA_TYPES.manifest },
      ];
      for (let i = 0; i < 8; i++) chain.push(index(chain.at(-1)!));
      const others = Object.fromEntries(chain.map((each) => [digestOf(each.bytes), each]));
      const deep = await start(serving(chain.at(-1)!.bytes, MEDIA_TYPES.index, others));
      const error = await rejectionOf((await open(deep)).resolve());
      expect(error.code).to.equal('ERR_INVALID_MANIFEST');
      expect(deep.content.length).to.be.below(10);
      // Whatever is asked for, the answer is the same index.
      const loop = await start(serving(chain.at(-1)!.bytes, MEDIA_TYPES.index));
      expect((await rejectionOf((await open(loop)).resolve())).code).to.equal(
        'ERR_DIGEST_MISMATCH',
      );
      expect(loop.content.length).to.equal(2);
    });

    it('An index without an image for the platform is ERR_NO_SUCH_IMAGE', async () => {
      const index = {
        schemaVersion: 2,
        manifests: [
          { ...image.descriptor, platform: { os: 'linux', architecture: 's390x' } },
          { ...image.descriptor, platform: { os: 'unknown', architecture: 'unknown' } },
          { ...image.descriptor, platform: 'garbage' },
        ].slice(0, 2),
      };
      const registry = await start(serving(JSON.stringify(index), MEDIA_TYPES.index));
      const error = await rejectionOf((await open(registry)).resolve(parsePlatform('linux/arm64')));
      expect(error.code).to.equal('ERR_NO_SUCH_IMAGE');
      expect(error.hint).to.equal('it has images for linux/s390x');
    });
  });

  describe('blobs', () => {
    const download = async (
      handler: Handler,
      options?: RegistryOptions,
      sink = new MemorySink(),
    ) => {
      const registry = await start(handler);
      const client = await open(registry, options);
      return { registry, sink, result: client.fetchBlob(descriptor, sink) };
    };

    it('A blob with another digest is refused, and nothing of it is kept', async () => {
      const { sink, result } = await download((_, response) => response.end(randomBytes(200_000)));
      expect((await rejectionOf(result)).code).to.equal('ERR_DIGEST_MISMATCH');
      expect(sink.offset).to.equal(0);
    });

    for (const [what, length] of [
      ['shorter', 199_999],
      ['longer', 200_001],
    ] as const)
      // prettier-ignore
      it(`A blob that is announced as ${what} is refused`, async () => {
        const { sink, result } = await download((_, response) => {
          response.setHeader('content-length', length);
          response.end(randomBytes(length));
        });
        expect((await rejectionOf(result)).code).to.equal('ERR_DIGEST_MISMATCH');
        expect(sink.offset).to.equal(0);
      });

    it('A blob without an end is refused when it has more bytes than the manifest says', async () => {
      let sent = 0;
      const { result } = await download((_, response) => {
        const more = () => {
          while (!response.destroyed && sent < 100_000_000) {
            sent += 65_536;
            if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
          }
        };
        more();
      });
      expect((await rejectionOf(result)).code).to.equal('ERR_DIGEST_MISMATCH');
      expect(sent).to.be.below(20_000_000);
    });

    it('A download that is interrupted continues with a range each time', async () => {
      const { registry, sink, result } = await download((request, response) => {
        if (request.url === '/v2/') return response.end();
        const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
        response.writeHead(from > 0 ? 206 : 200, {
          'content-length': blob.length - from,
          ...(from > 0
            ? { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` }
            : {}),
        });
        response.write(blob.subarray(from, from + 70_000), () => {
          if (from + 70_000 < blob.length) request.socket.destroy();
          else response.end();
        });
      });
      await result;
      expect(sink.bytes.equals(blob)).to.equal(true);
      expect(registry.content.length).to.be.within(3, 4);
      expect(registry.content.at(-1)!.headers.range).to.match(/^bytes=\d{6}-$/);
      expect(sink.resets).to.equal(0);
    });

    it('A registry without ranges sends the blob again from its beginning', async () => {
      let first = true;
      const { sink, result } = await download((request, response) => {
        if (request.url === '/v2/') return response.end();
        response.writeHead(200, { 'content-length': blob.length });
        if (!first) return response.end(blob);
        first = false;
        response.write(blob.subarray(0, 70_000), () => request.socket.destroy());
      });
      await result;
      expect(sink.bytes.equals(blob)).to.equal(true);
      expect(sink.resets).to.equal(1);
    });

    it('A registry that sends another range than was asked for is refused', async () => {
      const { result } = await download(
        (request, response) => {
          if (request.url === '/v2/') return response.end();
          response.writeHead(206, { 'content-range': `bytes 5-199999/200000` });
          response.end(blob.subarray(5));
        },
        {},
        new MemorySink(blob.subarray(0, 1000)),
      );
      expect((await rejectionOf(result)).code).to.equal('ERR_REGISTRY_FAILED');
    });

    it('A blob that always breaks off early is given up after a few attempts', async () => {
      const { registry, result } = await download((request, response) => {
        if (request.url === '/v2/') return response.end();
        response.writeHead(200, { 'content-length': blob.length });
        response.write(blob.subarray(0, 100), () => request.socket.destroy());
      });
      expect((await rejectionOf(result)).code).to.equal('ERR_REGISTRY_UNREACHABLE');
      expect(registry.content.length).to.equal(QUIET.retries!.attempts);
    });

    it('A download that stands still, or brings a byte now and then, is given up', async () => {
      for (const drip of [false, true]) {
        const timers: NodeJS.Timeout[] = [];
        const { result } = await download(
          (request, response) => {
            if (request.url === '/v2/') return response.end();
            response.writeHead(200, { 'content-length': blob.length });
            response.write(blob.subarray(0, 100));
            if (drip) timers.push(setInterval(() => response.write('x'), 20));
          },
          { stallTimeout: 150, retries: { attempts: 2, delay: 1 } },
        );
        const error = await rejectionOf(result);
        timers.forEach(clearInterval);
        expect(error.code).to.equal('ERR_REGISTRY_UNREACHABLE');
        expect(error.message).to.match(/next to nothing/);
      }
    });

    it('A registry that does not answer at all is given up', async () => {
      const silent = await HostileRegistry.raw(() => undefined);
      running.push(silent);
      const client = await open(silent, { stallTimeout: 100, retries: { attempts: 1 } });
      expect((await rejectionOf(client.resolve())).code).to.equal('ERR_REGISTRY_UNREACHABLE');
    });

    it('What fails in the sink is the caller’s error, and is not tried again', async () => {
      class Full extends MemorySink {
        override write(): void {
          throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        }
      }
      const { registry, result } = await download((_, response) => response.end(blob), {}, new Full()); // prettier-ignore
      expect(await result.then(() => '', (error: Error) => error.message)).to.equal('full'); // prettier-ignore
      expect(registry.content.length).to.equal(1);
    });
  });

  describe('answers', () => {
    it('What is no HTTP is ERR_REGISTRY_FAILED', async () => {
      for (const text of [
        'garbage\r\n\r\n',
        `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
      ]) {
        const registry = await HostileRegistry.raw((socket) => {
          socket.once('data', (data) => (data[0] === 0x16 ? socket.destroy() : socket.end(text)));
        });
        running.push(registry);
        const error = await rejectionOf((await open(registry)).resolve());
        expect(error.code).to.equal('ERR_REGISTRY_FAILED');
      }
    });

    it('Failures that may pass are tried again, and others are not', async () => {
      for (const [status, attempts] of [
        [500, 3],
        [502, 3],
        [503, 3],
        [404, 1],
        [403, 1],
        [400, 1],
        [418, 1],
      ] as const) {
        // prettier-ignore
        const registry = await start((_, response) => response.writeHead(status).end());
        await rejectionOf((await open(registry)).resolve());
        expect(registry.content.length, String(status)).to.equal(attempts);
      }
      let failures = 2;
      const image = makeImage([]);
      const recovering = await start((request, response) => {
        if (request.url !== '/v2/' && failures-- > 0) response.writeHead(503).end();
        else serving(image.manifest)(request, response);
      });
      expect((await (await open(recovering)).resolve()).descriptor).to.deep.equal(image.descriptor);
    });

    it('A rate limit is named, and waited for only if that is short', async () => {
      const registry = await start((_, response) => {
        response.writeHead(429, { 'retry-after': '3600' });
        response.end('{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}');
      });
      const error = await rejectionOf((await open(registry)).resolve());
      expect(error.code).to.equal('ERR_RATE_LIMITED');
      expect(error.message).to.contain('pull rate limit');
      expect(registry.content.length).to.equal(1);
      let refusals = 1;
      const image = makeImage([]);
      const short = await start((request, response) => {
        if (request.url !== '/v2/' && refusals-- > 0)
          response.writeHead(429, { 'retry-after': '1' }).end();
        else serving(image.manifest)(request, response);
      });
      const began = performance.now();
      await (await open(short)).resolve();
      expect(performance.now() - began).to.be.above(900);
    });

    it('What a registry says of an error is shown without control characters, and shortened', async () => {
      const registry = await start((_, response) => {
        response.writeHead(400);
        response.end(JSON.stringify({ errors: [{ code: 'X', message: `\x1b[2Jbad\r\n\u202e${'y'.repeat(5000)}` }] })); // prettier-ignore
      });
      const { message } = await rejectionOf((await open(registry)).resolve());
      expect(message).to.not.match(/[\x00-\x1f\u202e]/);
      expect(message.length).to.be.below(400);
    });
  });

  describe('redirects', () => {
    it('Credentials do not follow a redirect to another host', async () => {
      const elsewhere = await start((_, response) => response.end(blob));
      const registry = await start((request, response) => {
        if (request.headers.authorization === undefined)
          return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return response.writeHead(307, { location: `http://${elsewhere.host}/blob?sig=1` }).end();
      });
      const sink = new MemorySink();
      await (await open(registry, { credentials: password })).fetchBlob(descriptor, sink);
      expect(sink.bytes.equals(blob)).to.equal(true);
      expect(registry.content.at(-1)!.headers.authorization).to.match(/^Basic /);
      expect(elsewhere.requests.map(({ line }) => line)).to.deep.equal(['GET /blob?sig=1']);
      expect(elsewhere.requests[0]!.headers).to.not.have.property('authorization');
    });

    it('Redirects within the host keep the credentials, and end after five', async () => {
      const registry = await start((request, response) => {
        if (request.headers.authorization === undefined)
          return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return response.writeHead(302, { location: '/again' }).end();
      });
      const error = await rejectionOf(
        (await open(registry, { credentials: password })).fetchBlob(descriptor, new MemorySink()),
      );
      expect(error.code).to.equal('ERR_REGISTRY_FAILED');
      expect(error.message).to.match(/redirects more than 5 times/);
      expect(registry.requests.filter(({ line }) => line === 'GET /again').length).to.equal(5);
    });

    it('A redirect to a file, or to nothing, is refused', async () => {
      for (const headers of [{ location: 'file:///etc/passwd' }, { location: 'http://[' }, {}]) {
        const registry = await start((_, response) => response.writeHead(302, headers).end());
        const error = await rejectionOf((await open(registry)).resolve());
        expect(error.code).to.equal('ERR_REGISTRY_FAILED');
      }
    });

    it('The URL of an upload on another host gets no credentials', async () => {
      const elsewhere = await start((request, response) => {
        request.resume().once('end', () => response.writeHead(201).end());
      });
      const registry = await start((request, response) => {
        if (request.headers.authorization === undefined)
          return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        if (request.method === 'HEAD') return response.writeHead(404).end();
        return response.writeHead(202, { location: `http://${elsewhere.host}/upload?a=b` }).end();
      });
      const client = await open(registry, { credentials: password });
      expect(await client.pushBlob(descriptor, sourceOf(blob))).to.equal('uploaded');
      expect(elsewhere.requests[0]!.line).to.match(/^PUT \/upload\?a=b&digest=sha256%3A/);
      expect(elsewhere.requests[0]!.headers).to.not.have.property('authorization');
    });
  });

  describe('services of tokens', () => {
    const image = makeImage([]);
    /** @param challenge `URL` in it is the address of the service. */
    const withTokens = async (
      tokens: Handler,
      challenge = 'Bearer realm="URL/token",service="s"',
    ) => {
      const service = await start(tokens);
      const registry = await start((request, response) => {
        if (request.headers.authorization === 'Bearer good')
          return serving(image.manifest)(request, response);
        const header = challenge.replace('URL', `http://${service.host}`);
        return response.writeHead(401, { 'www-authenticate': header }).end();
      });
      return { service, registry, client: await open(registry, { credentials: password }) };
    };
    const good: Handler = (_, response) => response.end('{"token":"good","expires_in":300}');

    it('One token serves all requests of its scope', async () => {
      const { service, client } = await withTokens(good);
      await Promise.all([client.resolve(), client.resolve(), client.resolve()]);
      await client.resolve();
      expect(service.requests.map(({ line }) => line)).to.deep.equal([
        'GET /token?service=s&scope=repository%3Atest%3Apull&account=user',
      ]);
      expect(service.requests[0]!.headers.authorization).to.match(/^Basic /);
    });

    it('A token that the registry refuses is asked for once, and one that has expired is replaced', async () => {
      const { service, registry, client } = await withTokens((_, response) =>
        response.end('{"token":"bad"}'),
      );
      const error = await rejectionOf(client.resolve());
      expect(error.code).to.equal('ERR_REGISTRY_UNAUTHORIZED');
      expect(service.requests.length).to.equal(1);
      expect(registry.content.length).to.be.below(4);

      let valid = 'one';
      const tokens = await start((_, response) => response.end(JSON.stringify({ token: valid })));
      const changing = await start((request, response) => {
        if (request.headers.authorization === `Bearer ${valid}`)
          return serving(image.manifest)(request, response);
        const header = `Bearer realm="http://${tokens.host}/"`;
        return response.writeHead(401, { 'www-authenticate': header }).end();
      });
      const second = await open(changing);
      await second.resolve();
      valid = 'two';
      await second.resolve();
      expect(tokens.requests.length).to.equal(2);
    });

    const answers: readonly (readonly [string, Handler, ErrorCode])[] = [
      ['garbage', (_, response) => response.end('garbage'), 'ERR_REGISTRY_FAILED'],
      ['no token', (_, response) => response.end('{}'), 'ERR_REGISTRY_FAILED'],
      ['a token with a line break', (_, response) => response.end('{"token":"a\\r\\nX: y"}'), 'ERR_REGISTRY_FAILED'], // prettier-ignore
      ['a token of 1 MB', (_, response) => response.end(JSON.stringify({ token: 'x'.repeat(1e6) })), 'ERR_REGISTRY_FAILED'], // prettier-ignore
      ['401', (_, response) => response.writeHead(401).end(), 'ERR_REGISTRY_UNAUTHORIZED'],
      ['403', (_, response) => response.writeHead(403).end(), 'ERR_REGISTRY_UNAUTHORIZED'],
      ['429', (_, response) => response.writeHead(429, { 'retry-after': '999' }).end(), 'ERR_RATE_LIMITED'], // prettier-ignore
      ['500', (_, response) => response.writeHead(500).end(), 'ERR_REGISTRY_FAILED'],
    ];
    for (const [what, handler, code] of answers)
      it(`A service of tokens that answers with ${what} is ${code}`, async () => {
        const { client } = await withTokens(handler);
        expect((await rejectionOf(client.resolve())).code).to.equal(code);
      });

    const challenges: readonly (readonly [string, string])[] = [
      ['an address that is no URL', 'Bearer realm="nowhere"'],
      ['another host without encryption', 'Bearer realm="http://registry.invalid/token"'],
      ['a file', 'Bearer realm="file:///etc/passwd"'],
      ['no scheme that is known', 'Negotiate abc'],
      ['nothing', ''],
      ['20 kB', `Bearer realm="${'x'.repeat(12_000)}"`],
    ];
    for (const [what, challenge] of challenges)
      it(`A challenge with ${what} gets no password`, async () => {
        const { service, client } = await withTokens(good, challenge);
        const error = await rejectionOf(client.resolve());
        expect(error.code).to.match(/ERR_REGISTRY_(FAILED|UNAUTHORIZED)/);
        expect(service.requests).to.deep.equal([]);
      });
  });
});
