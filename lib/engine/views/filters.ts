/** `ps --filter`, with Docker's meaning: of one key any will do, of different keys all have to; all labels, too. */
import { CaissonError } from '../../base/errors.js';
import { any, type Filters, oneOf, parseFilterList, type Rules } from './filter-syntax.js';
import { withTag } from '../options/image-names.js';
import { hasLabels, labelsOf } from '../options/labels.js';
import { RESTART_POLICY_NAMES } from '../options/restart-policy.js';
import { startsOnBoot } from '../store/starts-on-boot.js';
import { nanosecondsOf } from '../../base/time-stamp.js';
import { networkName } from '../options/options.js';
import type { ContainerInfo, ContainerStatus } from '../store/stored.js';
import { mountsOf } from '../store/volumes-of.js';

export type { Filters } from './filter-syntax.js';

const STATUSES: Readonly<Record<ContainerStatus, true>> = {
  created: true,
  running: true,
  paused: true,
  restarting: true,
  exited: true,
  removing: true,
  dead: true,
};
const HEALTH: ReadonlySet<string> = new Set(['starting', 'healthy', 'unhealthy', 'none']);
const BOOLEAN = /^(?:1|0|t|f|true|false)$/i;
const PORTS = /^\d{1,5}(?:-\d{1,5})?(?:\/(?:tcp|udp|sctp))?$/;

function pattern(value: string): string | undefined {
  try {
    new RegExp(value);
    return undefined;
  } catch {
    return 'is not a regular expression';
  }
}

function boolean(value: string): string | undefined {
  return BOOLEAN.test(value) ? undefined : 'is not true or false';
}

function isTrue(value: string): boolean {
  return /^(?:1|t|true)$/i.test(value);
}

function ports(value: string): string | undefined {
  const { first, last } = portsOf(value);
  return PORTS.test(value) && first <= last ? undefined : 'is not a port or a range of ports';
}

const PS_RULES: Rules = {
  id: any,
  name: pattern,
  label: any,
  exited: (value) => (/^-?\d{1,9}$/.test(value) ? undefined : 'is not an exit code'),
  status: oneOf(Object.keys(STATUSES)),
  ancestor: any,
  before: any,
  since: any,
  volume: any,
  network: any,
  publish: ports,
  expose: ports,
  health: oneOf([...HEALTH]),
  'is-task': boolean,
  // As podman has them.
  'restart-policy': oneOf(RESTART_POLICY_NAMES),
  'should-start-on-boot': boolean,
};

/** Throws before anything else is done. */
export function parseFilters(list: readonly string[]): Filters {
  return parseFilterList(list, PS_RULES);
}

/** Containers that do not run are listed without `--all` too. */
export function impliesAll(filters: Filters): boolean {
  return filters.has('status');
}

/** `before` and `since` name containers: one that is not there is an error, even if nothing is listed. */
export function checkReferences(filters: Filters, all: readonly ContainerInfo[]): void {
  for (const key of ['before', 'since'])
    for (const reference of filters.get(key) ?? []) referenced(reference, all);
}

/** `all` is where the containers that `before` and `since` name are looked up. */
export function matches(
  filters: Filters,
  info: ContainerInfo,
  all: readonly ContainerInfo[],
): boolean {
  for (const [key, values] of filters) {
    const matching = MATCHERS[key];
    if (matching !== undefined && !matching(values, info, all)) return false;
  }
  return matchesPorts(filters, info);
}

/** As Docker, one of both is enough: a published port of the host, or one of the container's. */
function matchesPorts(
  filters: Filters,
  { ports = [], exposed: unpublished = [] }: ContainerInfo,
): boolean {
  const [published, exposed] = [filters.get('publish'), filters.get('expose')];
  if (published === undefined && exposed === undefined) return true;
  return (
    ports.some(({ hostPort, protocol }) =>
      (published ?? []).some((value) => isInPorts(value, hostPort, protocol)),
    ) ||
    [...ports, ...unpublished].some(({ containerPort, protocol }) =>
      (exposed ?? []).some((value) => isInPorts(value, containerPort, protocol)),
    )
  );
}

function isInPorts(value: string, port: number, protocol: string): boolean {
  const { first, last, protocol: wanted } = portsOf(value);
  return protocol === wanted && first <= port && port <= last;
}

function portsOf(value: string): { first: number; last: number; protocol: string } {
  const [range = '', protocol = 'tcp'] = value.split('/');
  const [first = 0, last = first] = range.split('-').map(Number);
  return { first, last, protocol };
}

type Matcher = (
  values: readonly string[],
  info: ContainerInfo,
  all: readonly ContainerInfo[],
) => boolean;

const MATCHERS: Readonly<Record<string, Matcher | undefined>> = {
  id: (values, { config }) =>
    values.some((value) => config.id.startsWith(value.replace(/^\^/, ''))),
  // As Docker: with or without the slash that names begin with there.
  name: (values, { config }) =>
    values.some((value) => {
      const expression = new RegExp(value);
      return expression.test(config.name) || expression.test(`/${config.name}`);
    }),
  label: (values, { config }) => hasLabels(values, labelsOf(config.options.labels)),
  exited: (values, { status, state }) =>
    (status === 'exited' || status === 'dead') &&
    state.startedAt !== '' &&
    values.some((value) => Number(value) === state.exitCode),
  status: (values, { status }) => values.includes(status),
  ancestor: (values, { config: { image } }) =>
    values.some((value) =>
      image.kind !== 'name'
        ? image.path === value
        : image.id === undefined || !/^(?:sha256:)?[0-9a-f]{4,64}$/.test(value)
          ? withTag(image.name) === withTag(value)
          : image.id.startsWith(value.startsWith('sha256:') ? value : `sha256:${value}`),
    ),
  before: (values, info, all) =>
    values.some((value) => compareAge(info, referenced(value, all)) < 0),
  since: (values, info, all) =>
    values.some((value) => compareAge(info, referenced(value, all)) > 0),
  volume: (values, { config }) =>
    values.some((value) =>
      mountsOf(config).some(
        ({ source, target, volume, from }) =>
          from !== 'tmpfs' && (source === value || target === value || volume?.name === value),
      ),
    ),
  network: (values, { config: { options }, networks }) =>
    networks === undefined
      ? values.includes(networkName(options) ?? '')
      : networks.some(({ network, networkId }) =>
          values.some(
            (value) => value === network || (value !== '' && networkId.startsWith(value)),
          ),
        ),
  health: (values, { health }) => values.includes(health?.status ?? 'none'),
  'is-task': (values) => values.some((value) => !isTrue(value)),
  'restart-policy': (values, { config: { restart } }) => values.includes(restart.name),
  'should-start-on-boot': (values, info) =>
    values.some((value) => isTrue(value) === startsOnBoot(info)),
};

function compareAge(a: ContainerInfo, b: ContainerInfo): number {
  const made = (info: ContainerInfo) => nanosecondsOf(info.config.created) ?? 0n;
  const difference = made(a) - made(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function referenced(reference: string, all: readonly ContainerInfo[]): ContainerInfo {
  const name = reference.replace(/^\//, '');
  const exact = all.find(({ config }) => config.id === reference || config.name === name);
  if (exact !== undefined) return exact;
  const [only, ...more] =
    reference === '' ? [] : all.filter(({ config }) => config.id.startsWith(reference));
  if (only === undefined)
    throw new CaissonError('ERR_NO_SUCH_CONTAINER', `No such container: ${reference}`, {
      stage: 'config',
      path: 'filter',
    });
  if (more.length > 0)
    throw new CaissonError(
      'ERR_AMBIGUOUS_ID',
      `${reference} is the beginning of more than one container's id`,
      { stage: 'config', path: 'filter' },
    );
  return only;
}
