/** Registries that want a password or a token, and where the credentials come from. */
import { expect } from 'chai';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Credentials } from '../../lib/image/registry/credentials.js';
import { login, logout, registryHost } from '../../lib/image/registry/login.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { needsProgram } from '../support/needs.js';
import { repository } from '../support/paths.js';
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
import { startTokenService, type TokenService } from '../support/token-service.js';

const run = promisify(execFile);
const password = (word: string): Credentials => ({ kind: 'password', username: 'user', password: word }); // prettier-ignore

needsProgram('docker-registry').describe('registries with authentication', () => {
  let directory: string;
  setUpFreshDirectory((path) => (directory = path));
  const image = makeImage([randomBytes(1000)]);

  describe('Basic', () => {
    let registry: TestRegistry;
    before(async () => {
      registry = await TestRegistry.start({ users: { user: 'secret:word' } });
    });
    after(() => registry.stop());

    /** No file of this machine. */
    const env = () => ({
      PATH: `${directory}:${process.env['PATH']}`,
      DOCKER_CONFIG: join(directory, 'docker'),
      XDG_RUNTIME_DIR: join(directory, 'run'),
      XDG_CONFIG_HOME: join(directory, 'config'),
    });
    const found = async (name = 'a:1') => {
      const client = await registry.open(name, { credentials: undefined, env: env() });
      try {
        await client.ping();
        return true;
      } catch (error) {
        expect(error).to.have.property('code', 'ERR_REGISTRY_UNAUTHORIZED');
        return false;
      } finally {
        await client.close();
      }
    };
    const write = (path: string, content: object) => {
      mkdirSync(join(directory, path, '..'), { recursive: true });
      writeFileSync(join(directory, path), JSON.stringify(content));
    };
    const auth = (word: string) => ({ auth: Buffer.from(`user:${word}`).toString('base64') });

    it('Only the right password pushes and pulls, and skopeo agrees', async () => {
      for (const credentials of [null, password('wrong')]) {
        const client = await registry.open('basic:1', { credentials });
        const error = await rejectionOf(pushImage(client, image));
        expect(error.code).to.equal('ERR_REGISTRY_UNAUTHORIZED');
        expect((await rejectionOf(client.resolve())).code).to.equal('ERR_REGISTRY_UNAUTHORIZED');
        await client.close();
      }
      const client = await registry.open('basic:1', { credentials: password('secret:word') });
      await pushImage(client, image);
      expect((await client.resolve()).descriptor).to.deep.equal(image.descriptor);
      await client.close();
      await run('skopeo', ['inspect', '--raw', '--creds', 'user:secret:word', '--tls-verify=false', `docker://${registry.host}/basic:1`]); // prettier-ignore
    });

    it('Credentials come from Docker’s file and from both of Podman’s', async () => {
      expect(await found()).to.equal(false);
      for (const path of [
        'docker/config.json',
        'run/containers/auth.json',
        'config/containers/auth.json',
      ]) {
        write(path, { auths: { [registry.host]: auth('secret:word') } });
        expect(await found(), path).to.equal(true);
        write(path, {});
        expect(await found(), path).to.equal(false);
      }
      for (const key of [`https://${registry.host}`, `http://${registry.host}/v2/`]) {
        write('docker/config.json', { auths: { [key]: auth('secret:word') } });
        expect(await found(), key).to.equal(true);
      }
    });

    it('The entry of a repository comes before that of its registry', async () => {
      write('docker/config.json', {
        auths: { [registry.host]: auth('wrong'), [`${registry.host}/a/b`]: auth('secret:word') },
      });
      expect(await found('a/b/c:1')).to.equal(true);
      expect(await found('a/b:1')).to.equal(true);
      expect(await found('a:1')).to.equal(false);
    });

    it('A credential helper is asked, and what it does wrong is ERR_REGISTRY_CONFIG', async () => {
      const program = (name: string, text: string) => {
        writeFileSync(join(directory, `docker-credential-${name}`), `#!/bin/sh\n${text}\n`);
        chmodSync(join(directory, `docker-credential-${name}`), 0o755);
      };
      program('good', `[ "$1 $(cat)" = "get ${registry.host}" ] && echo '{"Username":"user","Secret":"secret:word"}'`); // prettier-ignore
      program('empty', 'echo "credentials not found in native keychain"; exit 1');
      program('garbage', 'echo garbage');
      program('broken', 'echo "\\033[2Jno key ring" >&2; exit 3');
      program('endless', 'exec yes');
      for (const config of [
        { credsStore: 'good' },
        { credHelpers: { [registry.host]: 'good' }, credsStore: 'broken' },
      ]) {
        // prettier-ignore
        write('docker/config.json', config);
        expect(await found()).to.equal(true);
      }
      write('docker/config.json', { credsStore: 'empty' });
      expect(await found()).to.equal(false);
      for (const name of ['garbage', 'broken', 'endless', 'missing', '../../bin/sh']) {
        write('docker/config.json', { credsStore: name });
        const error = await rejectionOf(
          registry.open('a:1', { credentials: undefined, env: env() }),
        );
        expect(error.code, name).to.equal('ERR_REGISTRY_CONFIG');
        expect(error.message).to.not.contain('\x1b');
      }
    });

    it('A file that is no JSON is ERR_REGISTRY_CONFIG, and names the file', async () => {
      mkdirSync(join(directory, 'docker'));
      writeFileSync(join(directory, 'docker/config.json'), '{');
      const error = await rejectionOf(registry.open('a:1', { credentials: undefined, env: env() }));
      expect(error.code).to.equal('ERR_REGISTRY_CONFIG');
      expect(error.path).to.equal(join(directory, 'docker/config.json'));
    });

    const options = (word: string) => ({ ...QUIET, env: env(), username: 'user', password: word });
    const file = () => join(directory, 'docker/config.json');

    it('A login keeps the credentials in Docker’s file, and a logout removes them', async () => {
      const error = await rejectionOf(login(registry.host, options('wrong')));
      expect(error.code).to.equal('ERR_REGISTRY_UNAUTHORIZED');
      expect(await found()).to.equal(false);
      expect(await login(registry.host, options('secret:word'))).to.deep.equal({ file: file(), helper: undefined }); // prettier-ignore
      expect(statSync(file()).mode & 0o777).to.equal(0o600);
      expect(await found()).to.equal(true);
      await run('skopeo', ['inspect', '--raw', '--authfile', file(), '--tls-verify=false', `docker://${registry.host}/basic:1`]); // prettier-ignore
      expect(await logout(registry.host, env())).to.equal(true);
      expect(await logout(registry.host, env())).to.equal(false);
      expect(await found()).to.equal(false);
    });

    it('A login keeps everything else in the file, and a link to it', async () => {
      mkdirSync(join(directory, 'docker'));
      const real = join(directory, 'real.json');
      const content = { auths: { other: auth('x') }, psFormat: 'table', HttpHeaders: { a: 'b' } };
      writeFileSync(real, JSON.stringify(content));
      symlinkSync('../real.json', file());
      await login(registry.host, options('secret:word'));
      const changed = JSON.parse(readFileSync(real, 'utf8')) as typeof content;
      expect(changed).to.deep.equal({ ...content, auths: { ...content.auths, [registry.host]: auth('secret:word') } }); // prettier-ignore
      await logout(registry.host, env());
      expect(JSON.parse(readFileSync(real, 'utf8'))).to.deep.equal(content);
    });

    it('A login by way of a helper leaves the password to it', async () => {
      const program = join(directory, 'docker-credential-store');
      writeFileSync(program, `#!/bin/sh\ncase $1 in store) cat > ${directory}/kept;; get) sed 's/"ServerURL":"[^"]*",//' ${directory}/kept 2>/dev/null || { echo credentials not found in native keychain; exit 1; };; erase) rm ${directory}/kept;; esac\n`); // prettier-ignore
      chmodSync(program, 0o755);
      write('docker/config.json', { credsStore: 'store' });
      expect(await login(registry.host, options('secret:word'))).to.deep.equal({ file: undefined, helper: 'store' }); // prettier-ignore
      expect(readFileSync(file(), 'utf8')).to.equal('{"credsStore":"store"}');
      expect(await found()).to.equal(true);
      expect(await logout(registry.host, env())).to.equal(true);
      expect(await found()).to.equal(false);
      expect(await logout(registry.host, env())).to.equal(false);
    });

    /** @returns the exit code and what it has printed. */
    const caisson = (args: readonly string[], input = '') => {
      const { status, stdout, stderr } = spawnSync(join(repository, 'bin/caisson'), args, {
        input,
        encoding: 'utf8',
        env: env(),
      });
      return [status, stdout, stderr] as const;
    };

    it('The commands login and logout do the same, and take the password from standard input', async () => {
      const args = ['login', '-u', 'user', '--password-stdin', registry.host];
      const [code, , complaint] = caisson(args, 'wrong\n');
      expect(code).to.equal(1);
      expect(complaint).to.match(/access was refused[^]*hint: /);
      expect(await found()).to.equal(false);
      expect(caisson(args, 'secret:word\n')).to.deep.equal([
        0,
        'Login Succeeded\n',
        `WARNING: Your credentials are stored unencrypted in '${file()}'.\n`,
      ]);
      expect(await found()).to.equal(true);
      expect(caisson(['logout', registry.host])).to.deep.equal([0, `Removing login credentials for ${registry.host}\n`, '']); // prettier-ignore
      expect(caisson(['logout', registry.host])).to.deep.equal([0, `Not logged in to ${registry.host}\n`, '']); // prettier-ignore
      expect(await found()).to.equal(false);
    });

    /** Answers the questions of a login on a terminal, and returns all that it has shown, with the exit code. */
    const onTerminal = async (answers: Readonly<Record<string, string>>) => {
      const command = `${join(repository, 'bin/caisson')} login ${registry.host}`;
      const child = spawn('script', ['-qefc', command, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'ignore'],
        env: env(),
      });
      let text = '';
      const left = new Map(Object.entries(answers));
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        for (const [question, answer] of left)
          if (text.includes(question) && left.delete(question)) child.stdin.write(answer);
      });
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, text };
    };

    it('On a terminal the password is asked for, and not shown', async () => {
      const answers = { 'Username: ': 'user\n', 'Password: ': 'secret:x\x7fword\r' };
      const { code, text } = await onTerminal(answers);
      expect(text).to.contain('Login Succeeded');
      expect(text).to.not.contain('secret');
      expect(code).to.equal(0);
      expect(await found()).to.equal(true);
    });

    it('Ctrl-C at the question for the password ends the login', async () => {
      const { code, text } = await onTerminal({ 'Username: ': 'user\n', 'Password: ': '\x03' });
      expect(code).to.equal(130);
      expect(text).to.not.contain('Succeeded');
      expect(await found()).to.equal(false);
    });

    const misuses: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [['--password-stdin'], /Must provide --username/],
      [['-u', 'a', '-p', 'b', '--password-stdin'], /mutually exclusive/],
      [['-u', 'a'], /non TTY/],
      [['-u', 'a', '--password-stdin', 'a', 'b'], /at most 1 argument/],
      [['-u', 'a', '-p', 'b', 'no host'], /is not a registry/],
    ];
    for (const [args, message] of misuses)
      it(`The command login ${args.join(' ')} is refused`, () => {
        const [code, output, complaint] = caisson(['login', ...args]);
        expect(code).to.equal(1);
        expect(output).to.equal('');
        expect(complaint).to.match(message);
      });

    it('REGISTRY_AUTH_FILE is the only file where it is set', async () => {
      write('docker/config.json', { auths: { [registry.host]: auth('wrong') } });
      write('named.json', { auths: { [registry.host]: auth('secret:word') } });
      const client = await registry.open('a:1', {
        credentials: undefined,
        env: { ...env(), REGISTRY_AUTH_FILE: join(directory, 'named.json') },
      });
      await client.ping();
      await client.close();
    });
  });

  describe('tokens', () => {
    let registry: TestRegistry;
    let tokens: TokenService;
    beforeEach(async () => {
      tokens = await startTokenService(directory, { user: 'secret' });
      registry = await TestRegistry.start({ config: tokens.config });
    });
    afterEach(async () => {
      await registry.stop();
      await tokens.server.stop();
    });

    it('A token allows what its scope says: all pull, and only users push', async () => {
      const anonymous = await registry.open('tokens/a:1');
      const error = await rejectionOf(pushImage(anonymous, image));
      expect(error.code).to.equal('ERR_REGISTRY_UNAUTHORIZED');
      const user = await registry.open('tokens/a:1', { credentials: password('secret') });
      await pushImage(user, image);
      const before = tokens.server.requests.length;
      const reader = await registry.open('tokens/a:1');
      const { descriptor, manifest } = await reader.resolve();
      expect(descriptor).to.deep.equal(image.descriptor);

      for (const blob of [manifest.config, ...manifest.layers])
        await reader.fetchBlob(blob, new MemorySink());
      expect(tokens.server.requests.length - before).to.equal(1);
      const { line, headers } = tokens.server.requests.at(-1)!;
      expect(line).to.contain('scope=repository%3Atokens%2Fa%3Apull');
      expect(headers).to.not.have.property('authorization');
      await Promise.all([anonymous.close(), user.close(), reader.close()]);
    });

    it('A blob is taken over from another repository with a token for both', async () => {
      const from = await registry.open('tokens/from:1', { credentials: password('secret') });
      await pushImage(from, image);
      const to = await registry.open('tokens/to:1', { credentials: password('secret') });
      const blob = image.layers[0]!;

      expect(await to.pushBlob(descriptorOf(blob), sourceOf(blob), { mountFrom: ['tokens/from'] })).to.equal('mounted'); // prettier-ignore
      expect(tokens.server.requests.map(({ line }) => line).join()).to.match(
        /scope=repository%3Atokens%2Fto%3Apull%2Cpush&scope=repository%3Atokens%2Ffrom%3Apull/,
      );
      await Promise.all([from.close(), to.close()]);
    });

    it('A wrong password is ERR_REGISTRY_UNAUTHORIZED, and an identity token is exchanged', async () => {
      const wrong = await registry.open('tokens/b:1', { credentials: password('wrong') });
      const error = await rejectionOf(wrong.ping());
      expect(error.code).to.equal('ERR_REGISTRY_UNAUTHORIZED');
      expect(error.message).to.contain('wrong password');
      const user = await registry.open('tokens/b:1', {
        credentials: { kind: 'identity-token', token: 'refresh-user' },
      });
      await pushImage(user, image);
      expect(tokens.server.requests.at(-1)!.line).to.equal('POST /token');
      await Promise.all([wrong.close(), user.close()]);
    });
  });

  it('The name of a registry may be a URL, and without one it is Docker’s', () => {
    const names = ['', 'docker.io', 'https://index.docker.io/v1/', 'localhost:5000', 'https://r.example/v2/', '[::1]:5000'].map(registryHost); // prettier-ignore
    expect(names.join(' ')).to.equal('docker.io docker.io docker.io localhost:5000 r.example [::1]:5000'); // prettier-ignore
    for (const text of ['a b', '-x y', 'user@host', 'a:b', 'host:123456', '\n'])
      expect(() => registryHost(text), text)
        .to.throw()
        .with.property('code', 'ERR_INVALID_REFERENCE');
  });
});
