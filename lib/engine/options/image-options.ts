/** What an image says of its containers, as options: Docker's rules for what the caller's options override (moby, daemon/commit.go, `merge`). */
import { invalid, plainString } from '../../base/check.js';
import type { ImageHealthcheck } from '../../image/image-config.js';
import type { ImageDefaults } from '../../image/snapshots/image-defaults.js';
import type { CreateOptions } from './create-options.js';
import type { HealthcheckOptions } from './healthcheck.js';
import { labelsOf } from './labels.js';
import type { PullPolicy } from './options.js';
import type { ExposeOption } from './ports.js';

const PULL_POLICIES: ReadonlySet<unknown> = new Set<PullPolicy>(['always', 'missing', 'never']);

/** @throws ERR_INVALID_OPTION */
export function normalizePull(value: PullPolicy | undefined): PullPolicy {
  if (value === undefined) return 'missing';
  if (!PULL_POLICIES.has(value))
    throw invalid('pull', value, 'is not one of always, missing, never');
  return value;
}

/** Its form is checked where it is used. Empty is missing. */
export function normalizePlatformOption(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : plainString('platform', value);
}

/** The options of a detached container with what the image adds: labels, ports, the stop signal and the health check. */
export function withImageDefaults(options: CreateOptions, image: ImageDefaults): CreateOptions {
  const { labels, exposedPorts, stopSignal, healthcheck, shell } = image;
  const check = mergedCheck(options.healthcheck, healthcheck, shell);
  return {
    ...withImagePorts(options, exposedPorts),
    ...(labels === undefined ? {} : { labels: { ...labels, ...labelsOf(options.labels) } }),
    ...(stopSignal === undefined || options.stopSignal !== undefined ? {} : { stopSignal }),
    healthcheck: check,
  };
}

/** The image's ports are exposed beside those of the options; in the network of another container, that one's are. */
export function withImagePorts<T extends Pick<CreateOptions, 'expose' | 'network'>>(
  options: T,
  exposedPorts: readonly string[] = [],
): T {
  const { network, expose = [] } = options;
  const joins = typeof network === 'string' && network.startsWith('container:');
  if (exposedPorts.length === 0 || joins || !Array.isArray(expose)) return options;
  const given = expose as readonly ExposeOption[];
  return {
    ...options,
    expose: [...exposedPorts.filter((port) => !given.includes(port)), ...given],
  };
}

/** Each part by itself. Without a test there is no check. */
function mergedCheck(
  given: CreateOptions['healthcheck'],
  image: ImageHealthcheck | undefined,
  shell: readonly string[] | undefined,
): HealthcheckOptions | undefined {
  if (given === 'none' || image === undefined) return given === 'none' ? undefined : given;
  const test = given?.test ?? testOf(image.test, shell);
  if (test === undefined) return undefined;
  const { interval, timeout, startPeriod, startInterval, retries } = image;
  const times = { interval, timeout, startPeriod, startInterval, retries };
  // 0 is Docker's default, and so as good as missing.
  const said = Object.entries(given ?? {}).filter(
    ([, value]) => value !== undefined && value !== 0,
  );
  return { ...times, ...Object.fromEntries(said), test };
}

function testOf(
  test: ImageHealthcheck['test'],
  shell: readonly string[] | undefined,
): HealthcheckOptions['test'] {
  if (test === undefined || test === 'none') return undefined;
  if ('command' in test) return test.command;
  return shell === undefined ? test.shell : [...shell, test.shell];
}
