/** `-p`, `-P`, `--expose`, `port`. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
/** A container whose port 80 answers hello. */
const web = (flags: string, name = '$c') =>
  `docker run -d --name ${name} ${flags} $image sh -c 'mkdir /w; echo hello >/w/index.html; httpd -f -p 80 -h /w'`;
const up = (flags: string, name = '$c') => `docker run -d --name ${name} ${flags} $image sleep 60`;
const create = (flags: string) => `docker create --name $c ${flags} $image true`;
const bindings = "docker inspect -f '{{json .HostConfig.PortBindings}}' $c";
const exposed = "docker inspect -f '{{json .Config.ExposedPorts}}' $c";
const ports = "docker inspect -f '{{json .NetworkSettings.Ports}}' $c";
/** Ports that an engine has chosen. */
const chosen = 'sed -E \'s/(:|Port":")(3[2-9]|[4-6][0-9])[0-9]{3}/\\1N/g\'';

export const NETWORK_PORTS: Section = {
  title: 'networks: published ports',
  cases: [
    {
      name: 'over loopback, from the address of the host, from another container',
      steps: [
        web('-p 8001:80'),
        'get 127.0.0.1:8001',
        sh`get $(docker run --rm $image ip route | sed -n 's/^default via \([^ ]*\).*/\1/p'):8001`,
        sh`docker run --rm $image sh -c 'wget -qO- http://$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p"):8001/'`,
      ],
    },
    {
      name: 'from the container itself, by the port of the host',
      steps: [
        web('-p 8002:80'),
        'get 127.0.0.1:8002',
        sh`docker exec $c sh -c 'wget -qO- http://$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p"):8002/'`,
      ],
    },
    {
      name: 'port, ps and inspect of a port of all addresses of IPv4',
      steps: [
        up('-p 0.0.0.0:8003:80'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        ports,
        bindings,
        exposed,
      ],
    },
    {
      name: 'port, ps and inspect of a port of all addresses',
      steps: [
        up('-p 8036:80'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        ports,
        bindings,
      ],
      verdict: {
        is: 'differs',
        why: 'IPv4 alone, unless the network has IPv6: the kernel does not translate between them, and Docker has a proxy',
      },
    },
    {
      name: 'an address of the host',
      steps: [
        web('-p 127.0.0.1:8004:80'),
        'get 127.0.0.1:8004',
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        ports,
        bindings,
      ],
    },
    {
      name: 'UDP, and two protocols of a port',
      steps: [
        up('-p 0.0.0.0:8005:53/udp -p 0.0.0.0:8005:53'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        bindings,
        exposed,
      ],
    },
    {
      name: 'SCTP',
      steps: [up('-p 0.0.0.0:8037:53/sctp'), 'docker port $c'],
      verdict: {
        is: 'better',
        why: 'no program of the host passes it on; Docker’s needs a kernel with SCTP for that',
      },
    },
    {
      name: 'a port that is chosen',
      steps: [
        web('-p 0.0.0.0::80'),
        sh`get 127.0.0.1:$(docker port $c 80 | sed -n 's/0.0.0.0://p')`,
        `docker port $c | ${chosen}`,
        `docker ps --filter name=$c --format '{{.Ports}}' | ${chosen}`,
        `${ports} | ${chosen}`,
        bindings,
      ],
    },
    {
      name: 'a chosen port of one address',
      steps: [up('-p 127.0.0.1::80'), `docker port $c | ${chosen}`, bindings],
    },
    {
      name: 'ranges',
      steps: [
        up('-p 0.0.0.0:8010-8012:80-82'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        bindings,
      ],
    },
    {
      name: 'a range of the host for one port: the first that is free',
      steps: [
        up('-p 0.0.0.0:8013-8015:80'),
        up('-p 0.0.0.0:8013-8015:80', '$c-b'),
        'docker port $c; docker port $c-b',
        bindings,
      ],
    },
    {
      name: 'several ports, the same port of the container twice',
      steps: [
        up('-p 0.0.0.0:8017:80 -p 0.0.0.0:8018:80 -p 0.0.0.0:8019:81'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
      ],
    },
    {
      name: 'IPv6 of the host',
      steps: [
        'docker network create --ipv6 --subnet 10.82.4.0/24 --subnet fd00:82:4::/64 $n',
        web("--network $n -p '[::]:8020:80'"),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        bindings,
        "get '[fd00:82:4::1]:8020'",
      ],
    },
    {
      name: 'IPv6 of the host, in a network without IPv6',
      steps: ["docker run --rm -p '[::]:8038:80' $image echo started"],
      verdict: {
        is: 'differs',
        why: 'refused: the kernel does not translate, and Docker has a proxy',
      },
    },
    {
      name: 'values that are wrong',
      steps: [
        ...[
          'nonsense',
          '80:nonsense',
          '65536:80',
          '8080:80/nosuch',
          '1.2.3:80:80',
          '8080-8081:80-82',
          '8082-8080:80',
          ':::',
          '""',
          '8080:80:90:100',
          'example.org:8080:80',
        ].map((value) => `docker create -p ${value} $image true >/dev/null`),
      ],
    },
    {
      name: 'an address that the host does not have',
      steps: [
        'docker run --name $c -p 192.0.2.7:8021:80 $image true',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
      ],
    },
    {
      name: 'a port that another container has',
      steps: [
        up('-p 8022:80'),
        'docker run --name $c-b -p 8022:80 $image true',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c-b",
        'docker start $c-b',
        'docker stop -t 0 $c; docker start $c-b; docker wait $c-b',
      ],
    },
    {
      name: 'a port that is taken is named in the message',
      steps: [
        up('-p 8023:80'),
        "docker run --name $c-b -p 8023:80 $image true 2>&1 | grep -o 'port is already allocated'",
      ],
    },
    {
      name: 'a port that a program of the host has',
      steps: [
        'busybox nc -l -p 8024 >/dev/null 2>&1 & sleep 0.5; docker run --name $c -p 8024:80 $image true; kill $!',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
      ],
    },
    {
      name: 'a port that is published twice by one container',
      steps: ['docker run --name $c -p 8025:80 -p 8025:81 $image true'],
    },
    {
      name: 'the same port for two addresses',
      steps: [
        up('-p 127.0.0.1:8026:80'),
        up('-p 127.0.0.2:8026:80', '$c-b'),
        'docker port $c; docker port $c-b',
        'docker run --rm -p 8026:80 $image true',
      ],
    },
    {
      name: 'after the end, and the next start',
      steps: [
        web('-p 8027:80'),
        'get 127.0.0.1:8027; docker stop -t 0 $c',
        'busybox wget -qO- http://127.0.0.1:8027/',
        'docker port $c',
        "docker ps -a --filter name=$c --format '{{.Ports}}'",
        ports,
        'docker start $c; get 127.0.0.1:8027',
        'docker restart -t 0 $c; get 127.0.0.1:8027',
      ],
    },
    {
      name: '--expose alone opens nothing',
      steps: [
        up('--expose 80 --expose 90-92/udp'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        ports,
        exposed,
      ],
    },
    {
      name: 'a port 0 of the container, and a protocol that does not exist',
      steps: [
        'docker create --name $c -p 80:0 $image true >/dev/null',
        'docker create --name $c-b --expose 80/nosuch $image true >/dev/null',
      ],
      verdict: { is: 'better', why: 'refused' },
    },
    {
      name: '--expose with a wrong value',
      steps: [
        ...['nonsense', '90-80', '65536', '80:80'].map(
          (value) => `docker create --expose ${value} $image true >/dev/null`,
        ),
      ],
    },
    {
      name: '-P',
      steps: [
        web('--expose 80 --expose 81/udp -P'),
        sh`get 127.0.0.1:$(docker port $c 80 | sed -n 's/0.0.0.0://p')`,
        `docker port $c | grep -v :: | ${chosen}`,
        "docker inspect -f '{{.HostConfig.PublishAllPorts}} {{json .HostConfig.PortBindings}}' $c",
      ],
    },
    {
      name: '-P without an exposed port, and together with -p',
      steps: [
        up('-P'),
        'docker port $c',
        up('-P -p 0.0.0.0:8028:80 --expose 80', '$c-b'),
        `docker port $c-b | grep -v :: | ${chosen}`,
      ],
    },
    {
      name: 'port with a port of the container',
      steps: [
        up('-p 0.0.0.0:8029:80 -p 0.0.0.0:8030:81/udp'),
        'docker port $c 80',
        'docker port $c 80/tcp',
        'docker port $c 81/udp',
        'docker port $c 81',
        'docker port $c nonsense',
        'docker container port $c 80',
      ],
    },
    {
      name: 'port: errors',
      steps: [
        'docker port nosuch',
        'docker port',
        'docker create --name $c $image true; docker port $c; docker port $c 80',
        'docker port --nope $c',
        'docker port $c 80 81',
      ],
    },
    {
      name: 'a created container: what is shown',
      steps: [
        create('-p 8031:80 --expose 81'),
        "docker ps -a --filter name=$c --format '{{.Ports}}'",
        'docker port $c',
        ports,
        exposed,
        bindings,
      ],
    },
    {
      name: 'a network of its own',
      steps: [
        'docker network create --subnet 10.82.1.0/24 $n',
        web('--network $n -p 0.0.0.0:8032:80'),
        'get 127.0.0.1:8032; docker port $c',
        'docker run --rm --network $n $image wget -qO- http://$c/',
      ],
    },
    {
      name: 'a port of a container on an internal network',
      steps: [
        'docker network create --internal --subnet 10.82.2.0/24 $n',
        web('--network $n -p 8033:80'),
        'docker port $c',
        "docker ps --filter name=$c --format '{{.Ports}}'",
        'sleep 1; timeout 5 busybox wget -qO- http://127.0.0.1:8033/',
      ],
      verdict: { is: 'differs', why: 'the host itself reaches the port, and nothing else does' },
    },
    {
      name: 'not published, not reached from another network',
      steps: [
        'docker network create --subnet 10.82.3.0/24 $n',
        web('--network $n --ip 10.82.3.5 -p 8034:80'),
        'get 127.0.0.1:8034',
        'docker run --rm $image timeout 2 wget -qO- http://10.82.3.5/',
        sh`docker run --rm $image sh -c 'wget -qO- http://$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p"):8034/'`,
      ],
    },
    {
      name: 'host_binding_ipv4 of a network',
      steps: [
        'docker network create -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 $n',
        up('--network $n -p 8035:80'),
        'docker port $c',
      ],
    },
  ],
};
