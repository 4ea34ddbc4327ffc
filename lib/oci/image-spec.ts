/** What an OCI image layout consists of (OCI image specification, descriptor.md and image-layout.md). */

/** What points to a blob (descriptor.md). */
export interface BlobDescriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** As it was read. */
  readonly platform?: unknown;
}

/** The media type of `index.json`. */
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** The annotation with the name of an image, in an index. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** A digest of the only algorithm that image stores and registries use. */
export function isSha256(text: unknown): text is string {
  return typeof text === 'string' && /^sha256:[0-9a-f]{64}$/.test(text);
}

/** Of a digest. */
export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}
