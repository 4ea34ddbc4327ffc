/** `events --filter`. */
import { any, type Filters, oneOf, parseFilterList, type Rules } from './filter-syntax.js';
import { repository, withTag } from '../options/image-names.js';
import { hasLabels } from '../options/labels.js';
import type { EngineEvent } from '../store/stored.js';

/** Kinds of objects that have events with Docker, and not (yet) here: nothing matches them. */
const OTHER_OBJECTS = ['config', 'daemon', 'node', 'plugin', 'secret', 'service'];

const EVENT_RULES: Rules = {
  container: any,
  event: any,
  image: any,
  label: any,
  network: any,
  volume: any,
  type: oneOf(['container', 'image', 'network', 'volume', ...OTHER_OBJECTS]),
  scope: oneOf(['local', 'swarm']),
  ...Object.fromEntries(OTHER_OBJECTS.map((key) => [key, any])),
};

export function parseEventFilters(list: readonly string[]): Filters {
  return parseFilterList(list, EVENT_RULES);
}

/** Of a container's attributes, those that are no label. */
const OWN_ATTRIBUTES: ReadonlySet<string> = new Set([
  'name',
  'image',
  'exitCode',
  'signal',
  'oldName',
  'execID',
]);

export function matchesEvent(filters: Filters, event: EngineEvent): boolean {
  const { attributes } = event;
  for (const [key, values] of filters) {
    if (!matchesEventKey(key, values, event, attributes)) return false;
  }
  return true;
}

function matchesEventKey(
  key: string,
  values: readonly string[],
  { type, action, id }: EngineEvent,
  attributes: Readonly<Record<string, string>>,
): boolean {
  switch (key) {
    case 'container':
    case 'network':
    case 'volume':
      return (
        type === key &&
        values.some(
          (value) =>
            value !== '' &&
            (id.startsWith(value) || attributes['name'] === value.replace(/^\//, '')),
        )
      );
    case 'event':
      // `exec_create: sh -c …` is an `exec_create`.
      return values.some((value) => action === value || action.startsWith(`${value}:`));
    case 'type':
      return values.includes(type);
    case 'image': {
      // Of an image's own event it is its id or its name.
      const image = type === 'image' ? attributes['name'] : attributes['image'];
      if (type === 'image' && values.includes(id)) return true;
      return (
        image !== undefined &&
        values.some((value) => withTag(value) === withTag(image) || value === repository(image))
      );
    }
    case 'label':
      return (
        // Events of networks and volumes have no labels.
        type === 'container' &&
        hasLabels(
          values,
          Object.fromEntries(
            Object.entries(attributes).filter(([name]) => !OWN_ATTRIBUTES.has(name)),
          ),
        )
      );
    case 'scope':
      return values.includes('local');
    default:
      return false;
  }
}
