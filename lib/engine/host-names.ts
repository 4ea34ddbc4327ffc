/** Patterns of names: host, domain, container. */
import { invalid, plainString } from './check.js';

/** RFC 1123: letters, digits and inner hyphens, 63 a label. */
const LABELS =
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

/** The kernel's limit for both (uts_namespaces(7), __NEW_UTS_LEN). */
const MAX_LENGTH = 64;

export function checkHostname(value: string): string {
  return checkLabels('hostname', value, 'is not a host name');
}

export function checkDomainname(value: string): string {
  return checkLabels('domainname', value, 'is not a domain name');
}

function checkLabels(option: string, value: string, why: string): string {
  const text = plainString(option, value);
  if (text.length > MAX_LENGTH)
    throw invalid(option, text, `${why}: it is longer than ${MAX_LENGTH} characters`);
  if (!LABELS.test(text)) {
    throw invalid(
      option,
      text,
      why,
      'letters, digits and inner hyphens, 63 characters between dots (RFC 1123)',
    );
  }
  return text;
}

const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Docker's pattern. A file name limit on top, because names are files below /run. */
export function checkContainerName(value: string): string {
  const text = plainString('name', value);
  const name = text.startsWith('/') ? text.slice(1) : text;
  if (!CONTAINER_NAME.test(name) || name.length > 255) {
    throw invalid(
      'name',
      text,
      'is not a container name',
      'only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed',
    );
  }
  return name;
}
