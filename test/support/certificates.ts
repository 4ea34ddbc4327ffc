/** A certificate authority of the test, made with openssl. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export class TestAuthority {
  readonly ca: CertificateFiles;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.ca = this.#files('ca');
    openssl('req', '-x509', ...this.#newKey(this.ca.key), '-out', this.ca.certificate, '-days', '2', '-subj', '/CN=caisson-test-ca'); // prettier-ignore
  }

  /** @param names such as `IP:127.0.0.1` and `DNS:registry.test`. */
  issue(name: string, names: readonly string[]): CertificateFiles {
    const files = this.#files(name);
    const [request, extensions] = [`${files.key}.csr`, `${files.key}.ext`];
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
    openssl('req', '-new', ...this.#newKey(files.key), '-out', request, '-subj', `/CN=${name}`);
    openssl('x509', '-req', '-in', request, '-CA', this.ca.certificate, '-CAkey', this.ca.key, '-CAcreateserial', '-days', '2', '-extfile', extensions, '-out', files.certificate); // prettier-ignore
    return files;
  }

  #newKey(key: string): readonly string[] {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key];
  }

  #files(name: string): CertificateFiles {
    const path = join(this.#directory, name);
    return { certificate: `${path}.pem`, key: `${path}-key.pem` };
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
