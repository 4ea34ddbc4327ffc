/** Which requests go by way of a proxy. */
import { expect } from 'chai';
import { proxyFor } from '../../../../lib/image/registry/proxy.js';

describe('proxies', () => {
  const env = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'user:p%40ss@secure:2' };
  const of = (url: string, noProxy?: string) =>
    proxyFor(new URL(url), { ...env, NO_PROXY: noProxy })?.host ?? 'none';

  it('The scheme of the URL decides, and this machine is reached directly', () => {
    expect(of('http://r.example/')).to.equal('plain:1');
    expect(of('https://r.example/')).to.equal('secure:2');
    for (const url of ['https://localhost:5000/', 'http://127.9.9.9/', 'https://[::1]:5000/'])
      expect(of(url), url).to.equal('none');
    expect(proxyFor(new URL('http://r.example/'), {})).to.equal(undefined);
    expect(proxyFor(new URL('http://r.example/'), { http_proxy: 'http://p' })?.host).to.equal('p');
    expect(proxyFor(new URL('http://r.example/'), { http_proxy: ' ' })).to.equal(undefined);
    expect(proxyFor(new URL('http://r.example/'), { ...env, REQUEST_METHOD: 'GET' })).to.equal(undefined); // prettier-ignore
  });

  const exempt: readonly (readonly [noProxy: string, url: string, direct: boolean])[] = [
    ['*', 'https://r.example/', true],
    ['r.example', 'https://r.example/', true],
    ['R.EXAMPLE', 'https://r.example/', true],
    ['example', 'https://r.example/', true],
    ['.example', 'https://r.example/', true],
    ['*.example', 'https://r.example/', true],
    ['.r.example', 'https://r.example/', false],
    ['ample', 'https://r.example/', false],
    ['a, r.example ,b', 'https://r.example/', true],
    ['r.example:443', 'https://r.example/', true],
    ['r.example:5000', 'https://r.example/', false],
    ['r.example:5000', 'https://r.example:5000/', true],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.0.0.0/99', 'https://10.1.2.3/', false],
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['fd00::/8', 'https://[fd00::1]/', true],
    ['[fd00::1]:5000', 'https://[fd00::1]:5000/', true],
    ['fd00::1', 'https://[fd00::2]/', false],
    ['', 'https://r.example/', false],
    [',,', 'https://r.example/', false],
  ];
  for (const [noProxy, url, direct] of exempt)
    it(`NO_PROXY of ${JSON.stringify(noProxy)} ${direct ? 'exempts' : 'does not exempt'} ${url}`, () => {
      expect(of(url, noProxy)).to.equal(direct ? 'none' : 'secure:2');
    });

  for (const value of ['socks5://p:1', 'http://', 'http://[', 'file:///x'])
    it(`The proxy ${value} is refused, and not shown`, () => {
      expect(() => proxyFor(new URL('http://r.example/'), { HTTP_PROXY: value }))
        .to.throw(/cannot be used/)
        .with.property('code', 'ERR_REGISTRY_CONFIG');
    });
});
