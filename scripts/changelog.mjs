// The changelog's part of a release: the entries under "Unreleased" become those of a version.
//   node scripts/changelog.mjs VERSION [DATE]    rewrites CHANGELOG.md
import { readFileSync, writeFileSync } from 'node:fs';

const UNRELEASED = '## Unreleased';

/** Why there can be no such entry; undefined: there can. */
export function whyNoEntry(text, version) {
  if (!/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version))
    return `${version} is no version, such as 1.2.3`;
  const lines = text.split('\n');
  if (lines.some((line) => line === `## ${version}` || line.startsWith(`## ${version} `)))
    return `CHANGELOG.md has ${version} already`;
  const begin = lines.indexOf(UNRELEASED);
  if (begin < 0) return `CHANGELOG.md has no line "${UNRELEASED}"`;
  const end = lines.findIndex((line, index) => index > begin && line.startsWith('## '));
  if (!lines.slice(begin, end < 0 ? undefined : end).some((line) => line.startsWith('- ')))
    return `CHANGELOG.md has nothing under "${UNRELEASED}"`;
  return undefined;
}

/** The entries with the version and the date. What stands before the first category tells of the unreleased state, and goes. */
export function released(text, version, date) {
  const begin = text.indexOf(`${UNRELEASED}\n`);
  const category = text.indexOf('\n### ', begin);
  return `${text.slice(0, begin)}${UNRELEASED}\n\n## ${version} - ${date}\n${text.slice(category)}`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [, , version = '', date = new Date().toISOString().slice(0, 10)] = process.argv;
  const text = readFileSync('CHANGELOG.md', 'utf8');
  const why = whyNoEntry(text, version);
  if (why !== undefined) {
    process.stderr.write(`release: ${why}\n`);
    process.exit(1);
  }
  writeFileSync('CHANGELOG.md', released(text, version, date));
}
