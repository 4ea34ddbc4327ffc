/** Failures of a registry as errors with a code and a hint. What a registry has written is shown in part, and without control characters. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';

export function aborted(): CaissonError {
  return new CaissonError('ERR_ABORTED', 'the transfer was aborted', { stage: 'image' });
}

/** @param host with the port. */
export function unreachable(
  host: string,
  why: string,
  hint: string,
  cause?: unknown,
): CaissonError {
  return registryError('ERR_REGISTRY_UNREACHABLE', host, why, hint, cause);
}

export function protocolError(host: string, why: string, cause?: unknown): CaissonError {
  return registryError(
    'ERR_REGISTRY_FAILED',
    host,
    why,
    'it is no registry, is broken, or a proxy on the way has changed its answer',
    cause,
  );
}

export function registryError(
  code: ErrorCode,
  host: string,
  why: string,
  hint: string | undefined,
  cause?: unknown,
): CaissonError {
  const { code: errno, syscall } = (cause ?? {}) as NodeJS.ErrnoException;
  return new CaissonError(code, `registry ${host}: ${why}`, {
    stage: 'image',
    path: host,
    hint,
    errno: typeof errno === 'string' && /^E[A-Z]+$/.test(errno) ? errno : undefined,
    syscall: typeof syscall === 'string' ? syscall : undefined,
    cause,
  });
}

const REFUSED_CERTIFICATE =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|CRL_|ERROR_IN_)/;
/** The answer to a TLS hello was no TLS. */
const NO_TLS =
  /SSL_WRONG_VERSION|PACKET_LENGTH_TOO_LONG|SSL_HTTP_REQUEST|UNKNOWN_PROTOCOL|^EPROTO$/;

export function isCertificateError(error: unknown): boolean {
  return REFUSED_CERTIFICATE.test(codeOf(error));
}

/** Of a connection that failed: an error, and whether it is one that may pass. */
export function connectionError(
  host: string,
  cause: unknown,
): { readonly error: CaissonError; readonly passes: boolean } {
  const code = codeOf(cause);
  const fails = (why: string, hint: string, passes = false) => ({
    error: unreachable(host, why, hint, cause),
    passes,
  });
  if (REFUSED_CERTIFICATE.test(code))
    return fails(
      `its certificate is not trusted: ${(cause as Error).message}`,
      `put the certificate of its CA into /etc/docker/certs.d/${host}/ca.crt`,
    );
  if (NO_TLS.test(code))
    return fails(
      'it does not speak TLS',
      'plain http is used only with registries on this machine, and with those that are declared insecure',
    );
  if (/ALERT|BAD_CERTIFICATE/.test(code))
    return fails(
      `it has refused the TLS connection: ${code}`,
      `a certificate for the client belongs into /etc/docker/certs.d/${host}/client.cert, its key into client.key`,
    );
  if (code.startsWith('HPE_'))
    return {
      error: protocolError(host, `its answer is not HTTP: ${code}`, cause),
      passes: false,
    };
  switch (code) {
    case 'ECONNREFUSED':
      return fails('it refuses connections', 'check the port, and whether the registry is running');
    case 'ENOTFOUND':
      return fails('its name has no address', 'check the name of the image');
    case 'EAI_AGAIN':
      return fails(
        'its name could not be looked up',
        'check the name servers and the network',
        true,
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return fails('there is no route to it', 'check the network', true);
    default:
      return fails(
        code === 'ECONNRESET' || code === 'EPIPE'
          ? 'it has closed the connection'
          : `the connection failed: ${code === '' ? String(cause) : code}`,
        'try again later',
        true,
      );
  }
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** What an answer with an error says (OCI distribution spec, "Error Codes"), in one short line. */
export interface RegistryComplaint {
  /** `MANIFEST_UNKNOWN`; empty if the answer has no code. */
  readonly code: string;
  readonly message: string;
}

export function parseComplaint(body: Uint8Array): RegistryComplaint {
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return { code: '', message: '' };
  }
  const { errors, details } = (content ?? {}) as { errors?: unknown; details?: unknown };
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const { code, message } = (first ?? {}) as { code?: unknown; message?: unknown };
  return {
    code: typeof code === 'string' && /^[A-Z_]{1,64}$/.test(code) ? code : '',
    message: printable(typeof message === 'string' ? message : typeof details === 'string' ? details : ''), // prettier-ignore
  };
}

/** One line without control characters, at most 200 characters long: it comes from the network, and may go to a terminal. */
export function printable(text: string): string {
  const line = text.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}
