/** Patterns of names: host, domain, container. */
import { invalid, plainString } from '../../base/check.js';

/** The kernel's limit for both, in bytes (uts_namespaces(7), __NEW_UTS_LEN). */
const MAX_LENGTH = 64;

export function checkHostname(value: string): string {
  return checkName('hostname', value, 'is not a host name');
}

export function checkDomainname(value: string): string {
  return checkName('domainname', value, 'is not a domain name');
}

/**
 * Almost as Docker, which leaves it to the kernel what a name may be (`my_host`, labels of any length). What is refused: white
 * space and control characters, because the name becomes a word of a line of /etc/hosts, and what programs inside would take
 * for a path or an option.
 */
function checkName(option: string, value: string, why: string): string {
  const text = plainString(option, value);
  if (!/^(?!-)[^\s/\p{Cc}]+$/u.test(text))
    throw invalid(
      option,
      text,
      why,
      'no white space, slash or control character, and no hyphen at the beginning',
    );
  if (Buffer.byteLength(text) > MAX_LENGTH)
    throw invalid(option, text, `${why}: it is longer than ${MAX_LENGTH} bytes`);
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
