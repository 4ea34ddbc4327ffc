import { expect } from 'chai';
import fc from 'fast-check';
import { markStringMap, markStruct } from '../../../../lib/docker/go-values.js';
import { TemplateError } from '../../../../lib/cli/template/error.js';
import { type ExecuteOptions, parseTemplate } from '../../../../lib/cli/template/go-template.js';
import { anyCodePoint } from '../../../support/code-points.js';
import { sampleSize } from '../../../support/sample.js';

const DATA = {
  Name: '/box',
  Count: 3,
  Ratio: 0.5,
  On: true,
  Off: false,
  Empty: '',
  None: null,
  State: { Status: 'running', Pid: 42 },
  List: ['a', 'b', 'c'],
  Labels: markStringMap({ 'com.x/y': 'z', a: '1' }),
  Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '53/udp': null },
  Nested: [{ Name: 'one' }, { Name: 'two' }],
  NoList: [],
  NoMap: {},
};

function render(source: string, data: unknown = DATA, options?: ExecuteOptions): string {
  return parseTemplate(source).execute(data, options);
}

function renders(source: string, text: string, data?: unknown): void {
  it(`The template ${source} is ${JSON.stringify(text)}`, () =>
    expect(render(source, data)).to.equal(text));
}

function fails(source: string, phase: 'parse' | 'execute', text: RegExp, position?: number): void {
  it(`The template ${source} is refused`, () => {
    try {
      render(source);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      expect(error.phase).to.equal(phase);
      expect(error.code).to.equal('ERR_INVALID_TEMPLATE');
      expect(error.message).to.match(text);
      if (position !== undefined) expect(error.position).to.equal(position);
      return;
    }
    throw new Error('it was accepted');
  });
}

describe('templates: fields', () => {
  renders('plain', 'plain');
  renders('{{.Name}}', '/box');
  renders('a {{ .Count }} b', 'a 3 b');
  renders('{{.State.Status}} {{.State.Pid}}', 'running 42');
  renders('{{.}}', 'hi', 'hi');
  renders('{{.List}}', '[a b c]');
  renders('{{.State}}', 'map[Pid:42 Status:running]');
  renders('{{.Nested}}', '[map[Name:one] map[Name:two]]');
  renders('{{.Nope}}', '<no value>');
  renders('{{.Nope.Deeper}}', '<no value>');
  renders('{{.None}}', '<no value>');
  renders('{{.On}} {{.Ratio}}', 'true 0.5');
  renders('{{.constructor}}{{.toString}}', '<no value><no value>');
  renders('{{.__proto__}}', '<no value>');
  renders('{{(index .Nested 1).Name}}', 'two');
  fails('{{.Name.X}}', 'execute', /can't evaluate field X in type string/, 2);
  fails('{{.None.X}}', 'execute', /nil pointer evaluating interface {}\.X/);
  fails('{{.List.X}}', 'execute', /can't evaluate field X in type \[\]interface {}/);
});

describe('templates: structs', () => {
  const box = markStruct('*formatter.ContainerContext', {
    ID: '12',
    Label: (key: string): string => `<${key}>`,
    State: markStruct('types.State', { Pid: 1, Status: 'up' }),
  });

  it('Structs have methods', () => {
    expect(render('{{.Label "a.b"}}', box)).to.equal('<a.b>');
    expect(render('{{"x" | .Label}}', box)).to.equal('<x>');
    expect(render('{{$.Label "a" | printf "%q"}}', box)).to.equal('"<a>"');
    expect(() => render('{{.Label}}', box)).to.throw(TemplateError, /want 1 got 0/);
    expect(() => render('{{.ID "a"}}', box)).to.throw(
      TemplateError,
      /ID has arguments but cannot be invoked as function/,
    );
  });

  it('Structs have no fields but their own', () => {
    expect(() => render('x{{.Nope}}', box)).to.throw(
      TemplateError,
      'template: :1:3: executing "" at <.Nope>: can\'t evaluate field Nope in type *formatter.ContainerContext',
    );
    expect(() => render('{{.State.Nope}}', box)).to.throw(/field Nope in type types\.State/);
  });

  it('Structs are printed and serialised without methods', () => {
    expect(render('{{.State}}', box)).to.equal('{1 up}');
    expect(render('{{json .}}', box)).to.equal('{"ID":"12","State":{"Pid":1,"Status":"up"}}');
  });
});

describe('templates: missing keys', () => {
  it('Missing keys can be errors', () => {
    const strict = { missingKey: 'error' } as const;
    expect(() => render('{{.Nope}}', DATA, strict)).to.throw(
      TemplateError,
      'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"',
    );
    expect(render('{{.None}}', DATA, strict)).to.equal('<no value>');
    expect(() => render('{{.State.Nope}}', DATA, strict)).to.throw(/no entry for key "Nope"/);
  });

  it('An error has its position: line, column, offset', () => {
    const error = expectTemplateError('a\nbc{{.Name.X}}');
    expect(error.message).to.match(/^template: :2:4: /);
    expect(error.position).to.equal(6);
  });
});

function expectTemplateError(source: string): TemplateError {
  try {
    render(source);
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('templates: control', () => {
  renders('{{if .On}}yes{{else}}no{{end}}', 'yes');
  renders('{{if .Off}}yes{{else}}no{{end}}', 'no');
  renders('{{if .Empty}}yes{{end}}', '');
  renders('{{if .NoList}}a{{else if .NoMap}}b{{else if .Count}}c{{else}}d{{end}}', 'c');
  renders('{{if .Nope}}a{{else if .Off}}b{{else}}c{{end}}!', 'c!');
  renders('{{range .List}}<{{.}}>{{end}}', '<a><b><c>');
  renders('{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}', '0=a 1=b 2=c ');
  renders('{{range $e := .List}}{{$e}}{{end}}', 'abc');
  renders('{{range .NoList}}x{{else}}none{{end}}', 'none');
  renders('{{range .Nope}}x{{else}}none{{end}}', 'none');
  renders(
    '{{range $p, $c := .Ports}}{{$p}} -> {{(index $c 0).HostPort}}\n{{end}}',
    '80/tcp -> 8080\n',
    { Ports: { '80/tcp': [{ HostPort: '8080' }] } },
  );
  renders('{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'a=1;com.x/y=z;');
  renders('{{range .Nested}}{{.Name}}{{$.Name}} {{end}}', 'one/box two/box ');
  renders('{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a');
  renders('{{range .List}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', 'ac');
  renders('{{with .State}}{{.Pid}}{{end}}', '42');
  renders('{{with .Nope}}a{{else}}{{.Name}}{{end}}', '/box');
  renders('{{with .Nope}}a{{else with .State}}{{.Pid}}{{end}}', '42');
  renders('{{with $s := .State}}{{$s.Pid}}{{$.Count}}{{end}}', '423');
  renders('{{if $x := .Count}}{{$x}}{{end}}', '3');
  renders('{{$x := 1}}{{range .List}}{{$x = .}}{{end}}{{$x}}', 'c');
  renders('{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}', '21');
  renders('{{range .Count}}{{.}}{{end}}{{range 0}}x{{else}}none{{end}}', '012none');
  fails('{{range .Ratio}}{{end}}', 'execute', /range can't iterate over float64/);
  fails('{{range .Name}}{{end}}', 'execute', /range can't iterate over string/);
  fails('{{range 1000000000}}{{end}}', 'execute', /takes too long/);
  fails('{{if .On}}', 'parse', /unexpected EOF/);
  fails('{{end}}', 'parse', /unexpected {{end}}/);
  fails('{{else}}', 'parse', /unexpected {{else}}/);
  fails('{{if .On}}{{else}}{{else}}{{end}}', 'parse', /expected end; found {{else}}/);
  fails('{{break}}', 'parse', /outside {{range}}/);
  fails('{{if}}x{{end}}', 'parse', /missing value for if/);
  fails('{{$x}}', 'parse', /undefined variable "\$x"/, 2);
  fails('{{if .On}}{{$y := 1}}{{end}}{{$y}}', 'parse', /undefined variable "\$y"/);
  fails('{{define "x"}}{{end}}', 'parse', /define.* is not supported/);
});

describe('templates: text around actions', () => {
  renders('{{/* nothing */}}x', 'x');
  renders('a {{- /* nothing */ -}} b', 'ab');
  renders('a  {{- .Count -}}  \n b', 'a3b');
  renders('a {{-3}} b', 'a -3 b');
  renders('}} { {', '}} { {');
  renders('{{"}}"}}', '}}');
  fails('{{', 'parse', /unclosed action/, 0);
  fails('{{.Name', 'parse', /unclosed action/);
  fails('ab{{.Name}', 'parse', /./);
  fails('{{}}', 'parse', /missing value for command/);
  fails('{{/* x }}', 'parse', /unclosed comment/);
  fails('{{"x}}', 'parse', /unterminated quoted string/, 2);
  fails('{{.Name .}}}', 'execute', /Name is not a method/);
  fails('{{.Name | }}', 'parse', /missing value for command/);
  fails('{{(.Name}}', 'parse', /unclosed left paren/);
  fails('{{.Name)}}', 'parse', /unexpected <\)>/);
  fails('{{nope .}}', 'parse', /function "nope" not defined/, 2);
  fails('{{1 2}}', 'parse', /can't give argument to non-function/);
  fails('{{.Name | "x"}}', 'parse', /non executable command in pipeline stage 2/);
  fails('{{nil}}', 'execute', /nil is not a command/);
  fails('{{#}}', 'parse', /unexpected "#" in command/);
  fails('{{1e1000}}', 'parse', /bad number syntax/);
  fails('{{08}}', 'parse', /bad number syntax/);
  fails('{{1x}}', 'parse', /bad number syntax/);
});

describe('templates: functions', () => {
  renders('{{json .Name}} {{json .Nope}} {{json .List}}', '"/box" null ["a","b","c"]');
  renders('{{json .Labels}}', '{"a":"1","com.x/y":"z"}');
  renders('{{"<&>" | json}}', '"<&>"');
  renders(
    '{{index .Labels "com.x/y"}}|{{index .Labels "nope"}}|{{index .State "x"}}',
    'z||<no value>',
  );
  renders('{{index .List 2}} {{index .Nested 0 "Name"}}', 'c one');
  renders('{{len .List}} {{len .Name}} {{len .Labels}}', '3 4 2');
  renders('{{join .List ", "}} {{join .NoList ","}}', 'a, b, c ');
  renders(`{{.Name | upper | lower}} {{upper "ab"}} {{title "of men's"}}`, "/box AB Of Men'S");
  renders('{{index (split .Name "/") 1}}', 'box');
  renders('{{slice .Name 1}} {{slice .Name 1 3}} {{slice .List 1}}', 'box bo [b c]');
  renders('{{truncate .Name 2}}{{truncate .Name 9}}', '/b/box');
  renders('[{{pad .Name 1 2}}][{{pad "" 1 2}}]', '[ /box  ][]');
  renders('{{html "<a&b>"}} {{urlquery "a b&c"}}', '&lt;a&amp;b&gt; a+b%26c');
  renders('{{println .Count "x"}}', '3 x\n');
  renders('{{print 1 2 "a" 3}}', '1 2a3');
  renders('{{eq .Count 3}} {{eq .Name "a" "/box"}} {{ne .Count 3}}', 'true true false');
  renders('{{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1 2}}', 'true true true false');
  renders(
    '{{and .On .Count}} {{and .Off .Count}} {{or .Empty "x"}} {{not .On}}',
    '3 false x false',
  );
  renders('{{and .Off (index .List 9)}}{{or 1 (len 5)}}', 'false1');
  renders('{{if and (eq .State.Status "running") (not .Off)}}up{{end}}', 'up');
  renders('{{eq .None nil}}', 'true');
  renders('{{"a\\tb\\x41\\u00e9\\""}} {{`a\\tb`}} {{\'a\'}}', 'a\tbAé" a\\tb 97');
  renders('{{0x1F}} {{1e3}} {{-2}} {{+3}} {{.5}} {{1_000}} {{017}}', '31 1000 -2 3 0.5 1000 15');
  fails('{{index .List 9}}', 'execute', /error calling index: index out of range: 9/);
  fails('{{index .None 1}}', 'execute', /index of untyped nil/);
  fails('{{len .Count}}', 'execute', /len of type int/);
  fails('{{join .Name ","}}', 'execute', /expected \[\]string; got string/);
  fails('{{eq .Count "3"}}', 'execute', /incompatible types for comparison/);
  fails('{{lt .On .Off}}', 'execute', /invalid type for comparison/);
  fails('{{eq .List .List}}', 'execute', /non-comparable type/);
  fails('{{upper .Count}}', 'execute', /expected string; got int/);
  fails('{{join .List}}', 'execute', /wrong number of args for join: want 2 got 1/);
  fails('{{index}}', 'execute', /want at least 1 got 0/);
  fails('{{slice .Name 3 1}}', 'execute', /invalid slice index: 3 > 1/);
});

describe('templates: printf', () => {
  renders('{{printf "%s|%5s|%-5s|%.2s" "a" "b" "c" "def"}}', 'a|    b|c    |de');
  renders('{{printf "%d|%5d|%05d|%+d|%-4d|" 1 2 3 4 5}}', '1|    2|00003|+4|5   |');
  renders('{{printf "%q %t %x %X %x" "a\\"b" true 255 255 "hi"}}', '"a\\"b" true ff FF 6869');
  renders('{{printf "%v %v %v" .List .State .Nope}}', '[a b c] map[Pid:42 Status:running] <nil>');
  renders('{{printf "%.2f %6.1f %e" 1.005 2.26 1500}}', '1.00    2.3 1.500000e+03');
  renders('{{printf "%*d|%%|%c|%o|%b|%T" 4 7 65 8 5 "s"}}', '   7|%|A|10|101|string');
  renders('{{printf "%d" "x"}} {{printf "%s" 1}}', '%!d(string=x) %!s(int=1)');
  renders(
    '{{printf "%s"}} {{printf "a" 1}} {{printf "%"}}',
    '%!s(MISSING) a%!(EXTRA int=1) %!(NOVERB)',
  );
  renders('{{printf "%s" .List}} {{printf "%q" .List}}', '[a b c] ["a" "b" "c"]');
  renders('{{.Name | printf "%s-%s" "x"}}', 'x-/box');
  renders(
    '{{printf "%g|%G|%g|%g|%.3g|%.3g" 0.00001 1e21 123456 1234567 1234.5 0.5}}',
    '1e-05|1E+21|123456|1.234567e+06|1.23e+03|0.5',
  );
  renders('{{printf "%x|% x|%#x|%#o|%b" "hi" "hi" 255 8 -5}}', '6869|68 69|0xff|010|-101');
  renders('{{printf "%9999999999d" 1}}', '%!(BADWIDTH)');
});

describe('templates: any template', () => {
  const WORDS = [
    '{{', '}}', '{{-', '-}}', ' ', '\n', '.', '.Name', '.List', '.Nope', '.State.Pid', '$', '$x', ':=', '=', ',', '|',
    '(', ')', 'if', 'else', 'end', 'range', 'with', 'break', 'continue', 'and', 'or', 'not', 'len', 'index', 'slice',
    'printf', 'json', 'join', 'split', 'eq', 'lt', 'pad', 'truncate', 'println', 'nil', 'true', '"%d %*s"', '"x"', '`y`',
    "'c'", '1', '-2', '0x', '1e999', '/*', '*/', 'é', '\0', '"', '\\',
  ]; // prettier-ignore
  const words = fc.array(fc.constantFrom(...WORDS), { maxLength: 40 }).map((list) => list.join(''));
  const spaced = fc
    .array(fc.constantFrom(...WORDS), { maxLength: 40 })
    .map((list) => list.join(' '));
  const action = fc
    .array(fc.array(fc.constantFrom(...WORDS.slice(5)), { maxLength: 8 }), { maxLength: 8 })
    .map((lists) => lists.map((list) => `{{${list.join(' ')}}}`).join(''));

  function check(source: string, data: unknown): void {
    try {
      expect(parseTemplate(source).execute(data)).to.be.a('string');
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      expect(error.position).to.be.within(0, source.length);
    }
  }

  it('Templates end, and fail with no error but their own', () => {
    for (const source of [
      words,
      spaced,
      action,
      fc.string({ unit: anyCodePoint, maxLength: 60 }),
    ]) {
      fc.assert(
        fc.property(source, (text) => check(text, DATA)),
        { numRuns: sampleSize(2000) },
      );
    }
  });

  it('Templates take any data', () => {
    const sources = ['{{.}}', '{{json .}}', '{{range $k, $v := .}}{{$k}}{{$v}}{{end}}', '{{len .}}', '{{printf "%v%s%d" . . .}}', '{{index . "a"}}', '{{.a.b}}']; // prettier-ignore
    fc.assert(fc.property(fc.constantFrom(...sources), fc.anything({ withBigInt: true }), check), {
      numRuns: sampleSize(3000),
    });
  });

  it('Templates do not take for ever', () => {
    const many = Array.from({ length: 1000 }, () => 0);
    const loops = '{{range $.L}}'.repeat(20) + 'x' + '{{end}}'.repeat(20);
    expect(() => render(loops, { L: many })).to.throw(TemplateError, /takes too long/);
    expect(() => render(`{{range .L}}{{printf "%1000000d" 1}}{{end}}`, { L: many })).to.throw(
      TemplateError,
      /output is too long/,
    );
    expect(() => render('{{if .}}'.repeat(5000))).to.throw(TemplateError, /nested too deeply/);
    expect(() => render(`{{${'('.repeat(5000)}`)).to.throw(TemplateError);
    expect(() => render(`{{${'('.repeat(5000)}1${')'.repeat(5000)}}}`)).to.throw(
      TemplateError,
      /nested too deeply/,
    );
    expect(render(' '.repeat(200_000) + '{{- "x"}}')).to.equal('x');
    for (const growing of [
      '{{$x := "ab"}}{{range 100}}{{$x = print $x $x}}{{end}}{{len $x}}',
      '{{$x := "ab"}}{{range 40}}{{$x = printf "%s%s" $x $x}}{{end}}',
      '{{$x := split "a,b" ","}}{{range 60}}{{$x = split (join $x ",,") ""}}{{end}}{{len $x}}',
      `{{$x := printf "%1000000s" "x"}}{{$y := print ${'$x '.repeat(600)}}}`,
    ])
      expect(() => render(growing), growing.slice(0, 60)).to.throw(TemplateError, /too long/);
    expect(() =>
      render('{{$x := printf "%1000000s" "x"}}{{range 100000}}{{$y := len $x}}{{end}}'),
    ).to.throw(TemplateError, /takes too long/);
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(render('{{.}}', circle)).to.include('…');
    expect(() => render('{{json .}}', circle)).to.throw(TemplateError, /error calling json/);
  });
});
