/** Docker's token authentication (distribution/docs/spec/auth/jwt): a small service that signs tokens which docker-registry accepts. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, randomUUID, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostileRegistry } from './hostile-registry.js';

const ISSUER = 'caisson-test';
const SERVICE = 'registry-of-test';

export interface TokenService {
  readonly server: HostileRegistry;
  /** Section of the registry's configuration. */
  readonly config: string;
}

/**
 * All may pull; who has the password may push too. A refresh token is `refresh-USER`.
 *
 * @param directory for the key and its certificate.
 */
export async function startTokenService(
  directory: string,
  users: Readonly<Record<string, string>>,
): Promise<TokenService> {
  const certificate = join(directory, 'tokens.crt');
  const keyFile = join(directory, 'tokens.key');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certificate, '-days', '2', '-subj', '/CN=tokens'], { stdio: 'ignore' }); // prettier-ignore
  const key = createPrivateKey(readFileSync(keyFile));
  const chain = [new X509Certificate(readFileSync(certificate)).raw.toString('base64')];
  const server = await HostileRegistry.start((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const { searchParams } = new URL(request.url ?? '', 'http://service');
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const scopes = [...searchParams.getAll('scope'), ...(form.get('scope') ?? '').split(' ')];
      const user = authenticated(request.headers.authorization, form, users);
      if (user === false) return response.writeHead(401).end('{"details":"wrong password"}');
      const access = scopes.filter((scope) => scope !== '').map((scope) => {
        const [type = '', name = '', actions = ''] = scope.split(':');
        const allowed = actions.split(',').filter((action) => action === 'pull' || user !== undefined); // prettier-ignore
        return { type, name, actions: allowed };
      }); // prettier-ignore
      return response.end(JSON.stringify({ token: token(key, chain, user ?? '', access), expires_in: 300 })); // prettier-ignore
    });
  });
  return {
    server,
    config: `auth:
  token:
    realm: http://${server.host}/token
    service: ${SERVICE}
    issuer: ${ISSUER}
    rootcertbundle: ${certificate}
`,
  };
}

/** Undefined: nobody has given a name; false: it is not the password. */
function authenticated(
  header: string | undefined,
  form: URLSearchParams,
  users: Readonly<Record<string, string>>,
): string | undefined | false {
  const refresh = form.get('refresh_token');
  if (refresh !== null) {
    const user = refresh.replace(/^refresh-/, '');
    return users[user] === undefined ? false : user;
  }
  if (header === undefined) return undefined;
  const [user = '', password] = Buffer.from(header.replace(/^Basic /, ''), 'base64').toString().split(':'); // prettier-ignore
  return users[user] === password ? user : false;
}

function token(
  key: KeyObject,
  x5c: readonly string[],
  sub: string,
  access: readonly object[],
): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, sub, aud: SERVICE, exp: now + 300, nbf: now - 10, iat: now, jti: randomUUID(), access }; // prettier-ignore
  const signed = `${part({ typ: 'JWT', alg: 'RS256', x5c })}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}
