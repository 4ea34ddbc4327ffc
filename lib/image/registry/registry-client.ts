/**
 * The client of one repository in a registry (OCI distribution spec 1.1; Docker Registry HTTP API V2). It knows no files
 * but those that the caller gives it, and is loaded when it is needed.
 */
import { createHash } from 'node:crypto';
import type { Descriptor } from '../manifest.js';
import type { Platform } from '../platform.js';
import { DEFAULT_DOMAIN, fullName, withDefaultTag, type Reference } from '../reference.js';
import { findCredentials, type Credentials } from './credentials.js';
import { downloadBlob, type Endpoint } from './download-blob.js';
import {
  fetchManifest,
  headManifest,
  resolveManifest,
  type FetchedManifest,
} from './fetch-manifest.js';
import { hasBlob, mountBlob, pushScope, uploadBlob, type PushResult } from './push-blob.js';
import { once } from './authorization.js';
import { protocolError } from './registry-errors.js';
import { RegistrySession } from './registry-session.js';
import {
  configurationPaths,
  locate,
  readRegistriesConfiguration,
  type RegistriesConfiguration,
} from './registries-conf.js';
import { RETRIES, type RetryPolicy } from './retry.js';
import type { BlobSink, BlobSource, ResolvedManifest, TransferOptions } from './transfer.js';
import { Transport } from './transport.js';

export interface RegistryOptions {
  /** Plain http, and any certificate. Registries on this machine may always speak http. Default: as configured. */
  readonly insecure?: boolean | undefined;
  /** For the registry itself. Default: what the files of `docker login` and `podman login` have. Null: none. */
  readonly credentials?: Credentials | null | undefined;
  /** Proxies, and where configuration files are. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Mirrors and insecure registries. Default: registries.conf and Docker's daemon.json. */
  readonly configuration?: RegistriesConfiguration | undefined;
  /** Where `HOST[:PORT]/ca.crt` is looked for. Default: /etc/docker/certs.d and the others of Docker and Podman. */
  readonly certificateDirectories?: readonly string[] | undefined;
  readonly retries?: Partial<RetryPolicy> | undefined;
  /** Milliseconds without progress after which a connection is given up. Default: 60,000. */
  readonly stallTimeout?: number | undefined;
}

interface SignalOption {
  readonly signal?: AbortSignal | undefined;
}

/** Where Docker's own registry is; its name is another one. */
const DOCKER_REGISTRY = 'registry-1.docker.io';
const STALL_TIMEOUT = 60_000;
/** Milliseconds: the registry looks for everything that an index names. */
const MANIFEST_TIMEOUT = 300_000;

export class RegistryClient {
  readonly #reference: Reference;
  readonly #transport: Transport;
  /** Mirrors, and the registry itself as the last one. */
  readonly #endpoints: readonly Endpoint[];

  private constructor(reference: Reference, transport: Transport, endpoints: readonly Endpoint[]) {
    this.#reference = reference;
    this.#transport = transport;
    this.#endpoints = endpoints;
  }

  /**
   * Reads the configuration; makes no connection.
   *
   * @throws ERR_REGISTRY_CONFIG, ERR_REGISTRY_BLOCKED
   */
  static async open(reference: Reference, options: RegistryOptions = {}): Promise<RegistryClient> {
    const { env = process.env, certificateDirectories, stallTimeout = STALL_TIMEOUT } = options;
    const { configuration = readRegistriesConfiguration(configurationPaths(env)) } = options;
    const locations = locate(reference, configuration).map((each) => ({
      ...each,
      insecure: options.insecure ?? each.insecure,
      address: each.host === DEFAULT_DOMAIN ? DOCKER_REGISTRY : each.host,
    }));
    const transport = new Transport({
      env,
      certificateDirectories,
      unverified: new Set(
        locations
          .filter(({ insecure }) => insecure)
          .map(({ address }) => new URL(`https://${address}`).host),
      ),
    });
    const endpoints = locations.map(async ({ host, address, path, insecure }, index) => {
      // Those that the caller gives are for the registry, and not for its mirrors.
      const given = index === locations.length - 1 ? options.credentials : options.credentials === null ? null : undefined; // prettier-ignore
      const credentials =
        given === undefined ? await findCredentials(host, path, env) : (given ?? undefined);
      const retries = { ...RETRIES, ...options.retries };
      return {
        path,
        session: new RegistrySession({ host: address, insecure, credentials, transport, retries, stallTimeout }),
      }; // prettier-ignore
    });
    return new RegistryClient(withDefaultTag(reference), transport, await Promise.all(endpoints));
  }

  /**
   * The manifest that the reference names, for a platform.
   *
   * @param platform undefined is this machine's, with what its processor can run as well.
   * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_MANIFEST, ERR_DIGEST_MISMATCH, ERR_REGISTRY_*, ERR_RATE_LIMITED, ERR_ABORTED
   */
  async resolve(platform?: Platform, { signal }: SignalOption = {}): Promise<ResolvedManifest> {
    return resolveManifest(this.#endpoints, this.#target, this.#name, platform, signal);
  }

  /**
   * The digest that the reference has now, without its manifest; undefined if the registry does not say.
   *
   * @throws as `resolve`
   */
  async head({ signal }: SignalOption = {}): Promise<string | undefined> {
    return headManifest(this.#endpoints, this.#target, this.#name, signal);
  }

  /**
   * One manifest or index, as it is.
   *
   * @param target a digest or a tag of the repository.
   * @throws as `resolve`
   */
  async manifest(target: string, { signal }: SignalOption = {}): Promise<FetchedManifest> {
    return fetchManifest(this.#endpoints, target, this.#name, signal);
  }

  /**
   * Downloads what the sink does not have. When the promise is resolved, the sink has the whole blob with its digest.
   *
   * @throws ERR_DIGEST_MISMATCH (the sink is empty then); as `resolve`; what the sink throws
   */
  async fetchBlob(
    descriptor: Descriptor,
    sink: BlobSink,
    options: TransferOptions = {},
  ): Promise<void> {
    return downloadBlob(this.#endpoints, descriptor, sink, options);
  }

  /** Whether the repository has the blob. */
  async hasBlob(descriptor: Descriptor, { signal }: SignalOption = {}): Promise<boolean> {
    return hasBlob(this.#registry, descriptor, signal);
  }

  /**
   * Uploads a blob that the repository does not have. Mirrors are not used.
   *
   * @param options.mountFrom paths of repositories of the same registry that may have it.
   * @throws ERR_REGISTRY_*, ERR_DIGEST_MISMATCH, ERR_RATE_LIMITED, ERR_ABORTED; what the source throws
   */
  async pushBlob(
    descriptor: Descriptor,
    source: BlobSource,
    options: TransferOptions & { readonly mountFrom?: readonly string[] } = {},
  ): Promise<PushResult> {
    if (await this.hasBlob(descriptor, options)) return 'exists';
    for (const from of options.mountFrom ?? [])
      if (await this.mountBlob(descriptor.digest, from, options)) return 'mounted';
    await uploadBlob(this.#registry, descriptor, source, options);
    return 'uploaded';
  }

  /**
   * @param from path of another repository of the registry, which has the blob.
   * @returns false if the registry has not taken it over from there
   * @throws as `pushBlob`
   */
  async mountBlob(digest: string, from: string, { signal }: SignalOption = {}): Promise<boolean> {
    return mountBlob(this.#registry, digest, from, signal);
  }

  /**
   * Stores a manifest or an index, whose blobs and manifests the repository has.
   *
   * @param target a tag, or the manifest's digest; default: those of the reference.
   * @throws ERR_REGISTRY_*, ERR_DIGEST_MISMATCH, ERR_RATE_LIMITED, ERR_ABORTED
   */
  async pushManifest(
    bytes: Uint8Array,
    mediaType: string,
    target: string = this.#reference.tag ?? this.#target,
    { signal }: SignalOption = {},
  ): Promise<Descriptor> {
    const { session, path } = this.#registry;
    const answer = await session.request({
      method: 'PUT',
      path: `/v2/${path}/manifests/${target}`,
      scope: pushScope(path),
      what: this.#name,
      headers: { 'content-type': mediaType },
      content: () => ({ length: bytes.length, bytes: once(bytes) }),
      answerTimeout: MANIFEST_TIMEOUT,
      signal,
    });
    answer.drop();
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const stored = answer.headers['docker-content-digest'];
    if (typeof stored === 'string' && stored.startsWith('sha256:') && stored !== digest)
      throw protocolError(session.host, `it has stored another manifest of ${this.#name}`);
    return { mediaType, digest, size: bytes.length };
  }

  /**
   * Whether the registry is there and accepts the credentials.
   *
   * @throws ERR_REGISTRY_*
   */
  async ping({ signal }: SignalOption = {}): Promise<void> {
    const { session } = this.#registry;
    const request = { method: 'GET', path: '/v2/', scope: '', what: 'login', signal } as const;
    (await session.request(request)).drop();
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  get #registry(): Endpoint {
    const registry = this.#endpoints.at(-1);
    if (registry === undefined) throw new Error('no endpoint');
    return registry;
  }

  get #target(): string {
    return this.#reference.digest ?? this.#reference.tag ?? 'latest';
  }

  get #name(): string {
    return fullName(this.#reference);
  }
}
