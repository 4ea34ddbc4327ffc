/** Names: `/etc/hosts`, `/etc/resolv.conf`, and those of containers. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = (flags: string, name = '$c') => `docker run -d --name ${name} ${flags} $image sleep 60`;
/** The first address that a name has, or nothing. */
const look = (from: string, name: string) =>
  sh`docker exec ${from} nslookup ${name} 2>&1 | sed -n '/^Name:/,$s/^Address[ 0-9:]*: *\([0-9.]*\).*/\1/p'`;

export const NETWORK_NAMES: Section = {
  title: 'networks: names',
  cases: [
    {
      name: '/etc/hosts and /etc/hostname',
      steps: [
        'docker network create --subnet 10.83.1.0/24 $n',
        'docker run --rm -h box --network $n --ip 10.83.1.9 $image cat /etc/hosts /etc/hostname | grep -v ip6-',
        'docker run --rm -h box --domainname example.org --network $n --ip 10.83.1.9 $image tail -1 /etc/hosts',
        'docker run --rm -h box.example.org --network $n --ip 10.83.1.9 $image tail -1 /etc/hosts',
      ],
    },
    {
      name: '/etc/hosts without a network',
      steps: ['docker run --rm -h box --network none $image cat /etc/hosts | grep -v ip6-'],
      verdict: { is: 'better', why: 'the host name leads to the loopback interface' },
    },
    {
      name: '--add-host',
      steps: [
        'docker run --rm --add-host a:1.2.3.4 --add-host b:fd00::1 --add-host c=1.2.3.5 $image grep -E "^(1\\.2|fd00::1)" /etc/hosts',
        'docker run --rm --add-host a $image true',
        'docker run --rm --add-host a:nonsense $image true',
        'docker run --rm --add-host a: $image true',
        'docker create --name $c --add-host a:1.2.3.4 $image true',
        "docker inspect -f '{{json .HostConfig.ExtraHosts}}' $c",
      ],
    },
    {
      name: '--add-host NAME:host-gateway',
      steps: [
        sh`docker run --rm --add-host outside:host-gateway $image sh -c 'test "$(sed -n "s/\toutside$//p" /etc/hosts)" = "$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p")" && echo gateway'`,
        'docker create --name $c --add-host outside:host-gateway $image true',
        "docker inspect -f '{{json .HostConfig.ExtraHosts}}' $c",
      ],
    },
    {
      name: '/etc/resolv.conf: --dns, --dns-search, --dns-option',
      steps: [
        "docker run --rm --dns 192.0.2.53 --dns 192.0.2.54 --dns-search example.org --dns-search example.net --dns-option ndots:2 --dns-opt timeout:1 $image grep -v '^#' /etc/resolv.conf",
        'docker run --rm --dns 192.0.2.53 --dns-search . $image grep -c search /etc/resolv.conf',
        'docker create --name $c --dns 192.0.2.53 --dns-search example.org --dns-option ndots:2 $image true',
        "docker inspect -f '{{json .HostConfig.Dns}} {{json .HostConfig.DnsSearch}} {{json .HostConfig.DnsOptions}}' $c",
      ],
    },
    {
      name: '/etc/resolv.conf in a network that was created',
      steps: [
        'docker network create $n',
        "docker run --rm --network $n $image grep '^nameserver' /etc/resolv.conf",
        "docker run --rm --network $n --dns 192.0.2.53 --dns-search example.org --dns-option ndots:2 $image grep -v '^#' /etc/resolv.conf",
      ],
    },
    {
      name: '--dns with a wrong value',
      steps: [
        'docker run --rm --dns nonsense $image true',
        'docker run --rm --dns 1.2.3 $image true',
        'docker run --rm --dns-search "a b" $image true',
      ],
    },
    {
      name: '/etc/hosts and /etc/resolv.conf of --network host',
      steps: [
        'docker run --rm --network host $image cat /etc/resolv.conf | grep -v "^#" >one; grep -v "^#" /etc/resolv.conf | diff - one >/dev/null && echo same',
        'docker run --rm --network host --dns 192.0.2.53 $image grep "^nameserver" /etc/resolv.conf',
        'docker run --rm --network host --add-host a:1.2.3.4 $image tail -1 /etc/hosts',
      ],
    },
    {
      name: 'containers find each other by name, alias, short id and host name',
      steps: [
        'docker network create --subnet 10.83.2.0/24 $n',
        up('--network $n --ip 10.83.2.5 --network-alias web --network-alias db -h box'),
        up('--network $n --ip 10.83.2.6', '$c-b'),
        look('$c-b', '$c'),
        look('$c-b', 'web'),
        look('$c-b', 'db'),
        look('$c-b', "$(docker inspect -f '{{.Id}}' $c | cut -c1-12)"),
        look('$c-b', '$c.$n'),
        look('$c', '$c-b'),
        'docker exec $c-b ping -c 1 -W 5 web | head -1',
      ],
    },
    {
      name: 'names in reverse',
      steps: [
        'docker network create --subnet 10.83.3.0/24 $n',
        up('--network $n --ip 10.83.3.5'),
        "docker exec $c nslookup 10.83.3.5 | grep -o 'name = .*'",
      ],
    },
    {
      name: 'names as containers come and go',
      steps: [
        'docker network create --subnet 10.83.4.0/24 $n',
        up('--network $n --ip 10.83.4.5'),
        up('--network $n --ip 10.83.4.6', '$c-b'),
        look('$c', '$c-b'),
        'docker stop -t 0 $c-b',
        look('$c', '$c-b'),
        'docker start $c-b',
        look('$c', '$c-b'),
        'docker rename $c-b $c-c',
        look('$c', '$c-c'),
        look('$c', '$c-b'),
      ],
    },
    {
      name: 'two containers with one alias',
      steps: [
        'docker network create --subnet 10.83.5.0/24 $n',
        up('--network $n --ip 10.83.5.5 --network-alias pool'),
        up('--network $n --ip 10.83.5.6 --network-alias pool', '$c-b'),
        `${look('$c', 'pool')} | sort`,
      ],
    },
    {
      name: 'the network bridge has no names of containers',
      steps: [
        up(''),
        'docker run --rm --dns 127.0.0.1 $image nslookup $c >/dev/null 2>&1 || echo unknown',
        'docker run --rm --network-alias x $image true',
        "docker inspect -f '{{.State.Status}}' $c",
      ],
    },
    {
      name: 'names of another network are unknown',
      steps: [
        'docker network create --internal $n; docker network create --internal $n-b',
        up('--network $n'),
        'docker run --rm --network $n-b $image ping -c 1 -W 1 $c',
      ],
    },
    {
      name: '--network-alias with a wrong value',
      steps: [
        'docker network create $n',
        "docker run --rm --network $n --network-alias '' $image true",
        "docker run --rm --network $n --network-alias 'a b' $image true",
      ],
      verdict: { is: 'better', why: 'refused; Docker takes names that nobody can look up' },
    },
    {
      name: 'IPv6 addresses of names',
      steps: [
        'docker network create --ipv6 --subnet 10.83.6.0/24 --subnet fd00:83:6::/64 $n',
        up('--network $n --ip 10.83.6.5 --ip6 fd00:83:6::5'),
        "docker exec $c nslookup -type=aaaa $c | grep -c 'Address.*fd00:83:6::5'",
        'docker exec $c ping6 -c 1 -W 5 $c | grep -o "[0-9]* packets received"',
        'docker exec $c tail -2 /etc/hosts | cut -f1',
      ],
    },
  ],
};
