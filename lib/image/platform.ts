/** Platforms of images: `--platform`, and which manifest of an index fits (OCI image spec, image-index.md). */
import { invalid, plainString } from '../base/check.js';

export interface Platform {
  /** `linux`. */
  readonly os: string;
  /** As GOARCH: `amd64`, `arm64`, `arm`. */
  readonly architecture: string;
  /** `v7` of arm, `v3` of amd64; undefined is the first one of amd64, and `v8` of arm64. */
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
}

/** Other names that Docker accepts, with their variants. */
const ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  aarch64: ['arm64'],
  i386: ['386'],
  i686: ['386'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};

/** By `process.arch`. */
const OF_NODE: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  loong64: 'loong64',
};

/** An operating system, if it is alone: Docker takes any other word for an architecture. */
const SYSTEMS: ReadonlySet<string> = new Set(['linux', 'windows', 'darwin', 'freebsd']);

/** Of this machine. */
export function hostPlatform(arch: string = process.arch): Platform {
  return normalizePlatform({ os: 'linux', architecture: OF_NODE[arch] ?? arch });
}

/**
 * `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`; the operating system is `linux` and the architecture this
 * machine's if they are not given.
 *
 * @param option the option's name for the error.
 * @throws ERR_INVALID_OPTION
 */
export function parsePlatform(text: string, option = 'platform'): Platform {
  const parts = plainString(option, text).toLowerCase().split('/');
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9_][a-z0-9_.-]{0,63}$/.test(part)))
    throw invalid(
      option,
      text,
      'is not a platform',
      'a platform is OS[/ARCH[/VARIANT]], such as linux/arm64',
    );
  const [first = '', architecture, variant] = parts;
  if (architecture !== undefined) return normalizePlatform({ os: first, architecture, variant });
  return SYSTEMS.has(first)
    ? { ...hostPlatform(), os: first }
    : normalizePlatform({ os: 'linux', architecture: first });
}

/** With the usual names, so that equal platforms have equal texts. */
export function normalizePlatform({ os, architecture, variant, osVersion }: Platform): Platform {
  const [name, implied] = ALIASES[architecture.toLowerCase()] ?? [architecture.toLowerCase()];
  const given = (variant ?? '') === '' ? implied : variant?.toLowerCase().replace(/^(?=\d)/, 'v');
  return {
    os: os.toLowerCase(),
    architecture: name,
    variant: given === baseline(name) ? undefined : given,
    osVersion,
  };
}

/** `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalizePlatform(platform);
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/**
 * The entry that fits best; of several that fit equally, the first. The caller skips entries that are no images.
 *
 * @param compatible also what the wanted processor can run as well: older variants, 386 on amd64, arm on arm64.
 */
export function selectPlatform<T extends { readonly platform?: Platform | undefined }>(
  entries: readonly T[],
  wanted: Platform,
  compatible: boolean,
): T | undefined {
  const choices = compatible ? preferences(wanted) : [normalizePlatform(wanted)];
  for (const choice of choices) {
    const text = formatPlatform(choice);
    const found = entries.find(
      ({ platform }) => platform !== undefined && formatPlatform(platform) === text,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

/** From the best to the last, as containerd orders them. */
function preferences(wanted: Platform): readonly Platform[] {
  const { os, architecture, variant } = normalizePlatform(wanted);
  const older = (name: string, from: number, to: number): Platform[] =>
    Array.from({ length: Math.max(0, from - to + 1) }, (_, i) =>
      normalizePlatform({ os, architecture: name, variant: `v${from - i}` }),
    );
  const version = Number(/^v(\d)(?:\.\d+)?$/.exec(variant ?? '')?.[1] ?? NaN);
  const exact = normalizePlatform(wanted);
  if (architecture === 'amd64')
    return [exact, ...older('amd64', version - 1, 1), { os, architecture: '386' }];
  if (architecture === 'arm64')
    return [exact, ...older('arm64', version - 1, 8), ...older('arm', 8, 5)];
  if (architecture === 'arm') return [exact, ...older('arm', (version || 7) - 1, 5)];
  return [exact];
}

/** The variant that is meant if none is given. */
function baseline(architecture: string): string | undefined {
  return { amd64: 'v1', arm64: 'v8', arm: 'v7' }[architecture];
}
