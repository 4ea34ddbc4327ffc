import { expect } from 'chai';
import { parseReport, pathBytes, pathText } from '../../../../lib/image/unpack/archive-report.js';

const layer = {
  diffId: `sha256:${'a'.repeat(64)}`,
  compressed: 1,
  size: 2,
  files: 3,
  bytes: 4,
  skipped: 0,
  implied: ['b', '.', 'a/%FF'],
};

describe('The report of caisson-archive', () => {
  it('A layer is reported with its implied directories in order', () => {
    const { size, ...rest } = layer;
    expect(parseReport(JSON.stringify(layer))).to.deep.equal({
      ...rest,
      uncompressed: size,
      implied: ['.', 'a/%FF', 'b'],
    });
  });

  it('A refusal is reported with its path and its reason', () => {
    const text = '{"kind":"unsafe-path","detail":"a%20name","path":"../x"}';
    expect(parseReport(text)).to.include({ kind: 'unsafe-path', detail: 'a name', path: '../x' });
  });

  for (const [title, text] of [
    ['nothing', ''],
    ['half of one', '{"kind":"none"'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['a refusal without a reason', '{"kind":"none"}'],
    ['a digest that is none', JSON.stringify({ ...layer, diffId: 'sha256:../../x' })],
    ['a negative count', JSON.stringify({ ...layer, files: -1 })],
    ['a fraction', JSON.stringify({ ...layer, bytes: 0.5 })],
    ['a path that leads out', JSON.stringify({ ...layer, implied: ['a/../../b'] })],
    ['a path with other bytes', JSON.stringify({ ...layer, implied: ['a\n'] })],
    ['a path that is no text', JSON.stringify({ ...layer, implied: [1] })],
    ['no list of paths', JSON.stringify({ ...layer, implied: 'a' })],
  ] as const)
    it(`A report that is ${title} is none`, () => {
      expect(parseReport(text)).to.equal(undefined);
    });

  it('A path in a report stands for bytes, which need not be UTF-8', () => {
    expect(pathBytes('a%20%FF%25/b')).to.deep.equal(Buffer.from('a \xff%/b', 'latin1'));
    expect(pathText('%C3%A4')).to.equal('ä');
  });
});
