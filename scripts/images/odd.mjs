// Every kind of file that an archive can have (odd-layers.mjs), every compression, and every field of an image's configuration.
import { busyboxLayer } from './busybox.mjs';
import { below, changes, files } from './odd-layers.mjs';

export async function make(layout) {
  await layout.addLayer(busyboxLayer(), 'ADD busybox');
  await layout.addLayer(below(), 'ADD what is changed later', 'none');
  await layout.addLayer(files(), 'ADD every kind of file', 'zstd');
  await layout.addLayer(changes(), 'RUN changes');
  const second = 1e9;
  await layout.finish(
    {
      User: 'user:audio',
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8080/tcp': {} },
      Env: [
        'PATH=/odd/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'EMPTY=',
        'SPACES=a  b',
        'EQUALS=a=b',
        'UNICODE=ä→𝄞',
      ],
      Entrypoint: ['/odd/entry', 'first argument'],
      Cmd: ['second', 'third argument'],
      Volumes: { '/odd/volume': {}, '/odd/new-volume': {} },
      WorkingDir: '/odd/work',
      Labels: {
        'org.example.empty': '',
        'org.example.text': 'with "quotes", = and\nlines',
        maintainer: 'nobody',
      },
      StopSignal: 'SIGUSR1',
      // These are Docker's, and not in the OCI specification.
      Shell: ['/bin/sh', '-ec'],
      Healthcheck: {
        Test: ['CMD-SHELL', 'test -e /odd/healthy'],
        Interval: 3 * second,
        Timeout: 2 * second,
        StartPeriod: 1 * second,
        Retries: 2,
      },
      OnBuild: ['RUN true'],
    },
    { 'org.example.annotation': 'of the manifest' },
  );
}
