import { expect } from 'chai';
import { alignColumns, listFormat } from '../../../../lib/cli/format/table.js';
import { markStruct } from '../../../../lib/docker/go-values.js';
import { TemplateError } from '../../../../lib/cli/template/error.js';

const HEADINGS = { ID: 'CONTAINER ID', Image: 'IMAGE', Names: 'NAMES' };
const STANDARD = '{{.ID}}\t{{.Image}}\t{{.Names}}';
const ROWS = [
  markStruct('row', { ID: 'a1a1a1a1a1a1', Image: 'alpine:3.20', Names: 'brave_brunel' }),
  markStruct('row', { ID: 'b2b2b2b2b2b2', Image: 'h', Names: 'x' }),
];

function list(format: string | undefined, rows: readonly unknown[] = ROWS): string {
  return listFormat(format, STANDARD, HEADINGS).render(rows);
}

describe('tables', () => {
  it('Tables are spaced as Docker’s', () => {
    expect(list(undefined)).to.equal(
      'CONTAINER ID   IMAGE         NAMES\n' +
        'a1a1a1a1a1a1   alpine:3.20   brave_brunel\n' +
        'b2b2b2b2b2b2   h             x\n',
    );
  });

  it('Tables have headings when there is nothing to list', () => {
    expect(list(undefined, [])).to.equal('CONTAINER ID   IMAGE     NAMES\n');
    expect(list('table', [])).to.equal(list('', []));
  });

  it('Tables take columns of their own', () => {
    const text = 'CONTAINER ID   NAMES\na1a1a1a1a1a1   brave_brunel\nb2b2b2b2b2b2   x\n';
    expect(list('table {{.ID}}\t{{.Names}}')).to.equal(text);
    expect(list('table {{.ID}}\\t{{.Names}}')).to.equal(text);
    expect(list('table  {{.ID}}\\t{{.Names}}  ')).to.equal(text);
    expect(list('table {{.ID}}\t{{json .Names}} {{upper .Image}}').split('\n').slice(0, 2)).to.eql([
      'CONTAINER ID   NAMES IMAGE',
      'a1a1a1a1a1a1   "brave_brunel" ALPINE:3.20',
    ]);
  });

  it('Tables can be none', () => {
    expect(list('{{.ID}}: {{.Names}}')).to.equal('a1a1a1a1a1a1: brave_brunel\nb2b2b2b2b2b2: x\n');
    expect(list('{{.ID}}', [])).to.equal('');
    expect(list('{{.ID}}\\t|')).to.equal('a1a1a1a1a1a1\t|\nb2b2b2b2b2b2\t|\n');
    expect(
      list('json')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).to.deep.equal(ROWS);
  });

  it('A template that is none is refused before the first row', () => {
    expect(() => listFormat('{{.ID', STANDARD, HEADINGS)).to.throw(TemplateError);
    expect(() => listFormat('table {{nope}}', STANDARD, HEADINGS)).to.throw(TemplateError);
    expect(() => list('{{.Nope}}')).to.throw(TemplateError, /field Nope in type row/);
  });

  it('Tables count characters, not bytes', () => {
    expect(alignColumns('a\tb\nlängst…es Wort\tc\n')).to.equal(
      'a                b\nlängst…es Wort   c\n',
    );
  });

  it('Tables align only what stands together, as tabwriter does', () => {
    expect(alignColumns('aaaaaaaaaaaaaaa\tb\nnone\nc\td\n')).to.equal(
      'aaaaaaaaaaaaaaa   b\nnone\nc         d\n',
    );
    expect(alignColumns('a\tb\tc\nd\te\n', 2, 1)).to.equal('a b c\nd e\n');
    expect(alignColumns('UID\tPID\tCMD\nroot\t1\tsh\n', 20)).to.equal(
      `${'UID'.padEnd(20)}${'PID'.padEnd(20)}CMD\n${'root'.padEnd(20)}${'1'.padEnd(20)}sh\n`,
    );
    expect(alignColumns('')).to.equal('');
  });
});
