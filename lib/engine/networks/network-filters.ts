/** `network ls --filter`, with Docker's meaning (moby, daemon/network/filter.go). */
import { hasLabels } from '../options/labels.js';
import {
  any,
  type Filters,
  oneOf,
  parseFilterList,
  refuseFilter,
  type Rules,
} from '../views/filter-syntax.js';
import { isPredefined, type NetworkInfo } from './network-info.js';

const RULES: Rules = {
  driver: any,
  id: any,
  label: any,
  name: any,
  scope: any,
  type: oneOf(['custom', 'builtin']),
  dangling: oneOf(['true', '1', 'false', '0']),
};

/** @throws ERR_INVALID_OPTION */
export function parseNetworkFilters(list: readonly string[]): Filters {
  const filters = parseFilterList(list, RULES);
  const dangling = filters.get('dangling') ?? [];
  if (dangling.length > 1)
    throw refuseFilter('dangling', dangling.join(', '), 'can be given only once');
  return filters;
}

export function matchesNetwork(filters: Filters, network: NetworkInfo): boolean {
  return [...filters].every(([key, values]) => matchesKey(key, values, network));
}

function matchesKey(key: string, values: readonly string[], network: NetworkInfo): boolean {
  const { id, name, driver, labels, containers } = network;
  switch (key) {
    case 'driver':
      return values.includes(driver);
    case 'id':
      return values.some((value) => matchesText(value, id));
    case 'name':
      return values.some((value) => matchesText(value, name));
    case 'label':
      return hasLabels(values, labels);
    case 'scope':
      return values.includes('local');
    case 'type':
      return values.includes(isPredefined(network) ? 'builtin' : 'custom');
    default: {
      // `dangling`: a network of a user's without containers.
      const dangling = !isPredefined(network) && containers.length === 0;
      return dangling === (values[0] === 'true' || values[0] === '1');
    }
  }
}

/** As moby's filters.Args.Match: a regular expression that matches a part of the text, or the text itself. */
function matchesText(value: string, text: string): boolean {
  if (value === text) return true;
  try {
    return new RegExp(value).test(text);
  } catch {
    return false;
  }
}
