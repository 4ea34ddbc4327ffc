/** `network create`, `ls`, `inspect`, `rm`, `connect`, `disconnect`, `prune`. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = (flags: string, name = '$c') => `docker run -d --name ${name} ${flags} $image sleep 60`;
const addresses = "docker exec $c ip -4 -o addr | tr -s ' ' | cut -d' ' -f2,4 | grep eth";
const inspect = (field: string) => `docker network inspect -f '${field}' $n`;

export const NETWORK_COMMANDS: Section = {
  title: 'networks: commands',
  cases: [
    {
      name: 'network without a command, with an unknown one',
      steps: [
        "docker network 2>&1 >/dev/null | head -1 | tr -s ' '",
        'docker network --help >/dev/null',
        'docker network nosuch',
      ],
    },
    {
      name: 'create prints the id',
      steps: [
        'docker network create $n',
        inspect(
          '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.EnableIPv6}} {{.Attachable}} {{.Ingress}}',
        ),
        inspect(
          '{{.IPAM.Driver}} {{len .IPAM.Config}} {{len .Containers}} {{len .Options}} {{len .Labels}}',
        ),
      ],
    },
    {
      name: 'create with flags',
      steps: [
        'docker network create -d bridge --internal --attachable --label a=1 --label b -o com.docker.network.bridge.enable_icc=true --subnet 10.84.1.0/24 --gateway 10.84.1.254 --ip-range 10.84.1.128/25 --aux-address router=10.84.1.130 $n',
        inspect('{{json .IPAM.Config}}'),
        inspect('{{json .Options}} {{json .Labels}} {{.Internal}} {{.Attachable}}'),
        'docker run --rm --network $n $image ip -4 -o addr show dev eth0 | cut -d: -f2',
      ],
    },
    {
      name: 'create with IPv6',
      steps: [
        'docker network create --ipv6 --subnet 10.84.2.0/24 --subnet fd00:84:2::/64 --gateway fd00:84:2::9 $n',
        inspect('{{.EnableIPv6}} {{json .IPAM.Config}}'),
        'docker network create --ipv6 $n-b >/dev/null',
      ],
      verdict: {
        is: 'better',
        why: 'the gateway is shown also if nobody has chosen it, and a subnet of IPv6 is chosen if none is given',
      },
    },
    {
      name: 'create: names that are wrong or taken',
      steps: [
        'docker network create $n',
        'docker network create $n',
        'docker network create bridge',
        'docker network create host',
        'docker network create none',
        'docker network create default',
        "docker network create ''",
      ],
    },
    {
      name: 'create: names that --network could not tell from a mode or a list',
      steps: [
        "docker network create 'a b' && docker network rm 'a b'",
        'docker network create container:x && docker network rm container:x',
      ],
      verdict: { is: 'better', why: 'refused; with Docker such a network cannot be used' },
    },
    {
      name: 'create: subnets that are wrong or overlap',
      steps: [
        'docker network create --subnet 10.84.3.0/24 $n',
        'docker network create --subnet 10.84.3.128/25 $n-b',
        'docker network create --subnet nonsense $n-b',
        'docker network create --subnet 10.84.4.0 $n-b',
        'docker network create --subnet 10.84.4.0/33 $n-b',
        'docker network create --subnet 10.84.4.0/24 --subnet 10.84.5.0/24 $n-b',
        'docker network create --subnet 10.84.4.0/24 --subnet 10.84.4.0/25 $n-b',
      ],
    },
    {
      name: 'create: a subnet whose host bits are set, and one of the loopback interface',
      steps: [
        'docker network create --subnet 10.84.6.7/24 $n',
        'docker network create --subnet 127.0.0.0/24 $n-b',
      ],
      verdict: { is: 'better', why: 'refused, as containers could not use such addresses' },
    },
    {
      name: 'create: gateways, ranges and auxiliary addresses that do not fit',
      steps: [
        'docker network create --gateway 10.84.7.1 $n',
        'docker network create --subnet 10.84.7.0/24 --gateway 10.84.8.1 $n',
        'docker network create --subnet 10.84.7.0/24 --gateway nonsense $n',
        'docker network create --subnet 10.84.7.0/24 --ip-range 10.84.8.0/25 $n',
        'docker network create --subnet 10.84.7.0/24 --ip-range nonsense $n',
        'docker network create --subnet 10.84.7.0/24 --aux-address a=10.84.8.1 $n',
        'docker network create --subnet 10.84.7.0/24 --aux-address nonsense $n',
        'docker network create --subnet 10.84.7.0/24 --gateway 10.84.7.1 --gateway 10.84.7.2 $n',
        'docker network create --subnet 10.84.7.0/24 --gateway 10.84.7.1 --aux-address a=10.84.7.1 $n',
      ],
    },
    {
      name: 'create: drivers and options that do not exist',
      steps: [
        'docker network create -d nosuch $n',
        'docker network create -d host $n',
        'docker network create -d null $n',
        'docker network create -o com.docker.network.driver.mtu=nonsense $n',
        'docker network create -o com.docker.network.bridge.enable_icc=nonsense $n',
        'docker network create --nope $n',
        'docker network create',
        'docker network create $n $n-b',
      ],
    },
    {
      name: 'create: the bridge’s name, isolation of its containers',
      steps: [
        'docker network create -o com.docker.network.bridge.name=br-$c -o com.docker.network.bridge.enable_icc=false --subnet 10.84.9.0/24 $n',
        up('--network $n --ip 10.84.9.5'),
        'ip -o link show br-$c | grep -c UP',
        'docker run --rm --network $n $image ping -c 1 -W 1 10.84.9.5 | grep -o "[0-9]* packets received"',
        'docker run --rm --network $n $image ping -c 1 -W 5 10.84.9.1 | grep -o "[0-9]* packets received"',
      ],
    },
    {
      name: 'ls',
      alone: true,
      steps: [
        'docker network ls',
        'docker network create $n >/dev/null; docker network ls',
        'docker network ls --no-trunc',
        'docker network ls -q | wc -l',
        'docker network ls -q --no-trunc | head -1',
        'docker network list -q | wc -l',
        'docker network ls x',
      ],
    },
    {
      name: 'ls --format',
      steps: [
        'docker network create --label a=1 --internal $n >/dev/null',
        'docker network ls --filter name=$n --format \'{{.ID}} {{.Name}} {{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.Label "a"}}\'',
        "docker network ls --filter name=$n --format 'table {{.Name}}\\t{{.Driver}}'",
        sh`docker network ls --filter name=$n --format json | python3 -c 'import json,sys; d=json.load(sys.stdin); [d.pop(k) for k in ("CreatedAt", "IPv4")]; print(sorted(d.items()))'`,
        "docker network ls --filter name=$n --format '{{.CreatedAt}}' | sed 's/[0-9]/9/g; s/\\.9*/.9/'",
        "docker network ls --format '{{.Nope}}'",
        "docker network ls --format '{{'",
      ],
    },
    {
      name: 'ls --filter',
      steps: [
        'docker network create --label x=$c $n >/dev/null; docker network create --label x=$c --label y $n-b >/dev/null',
        ...[
          'name=$n',
          'name=^$n\\$',
          'label=x=$c',
          'label=y --filter label=x=$c',
          'label=x=nosuch',
          'id=$(docker network inspect -f "{{.Id}}" $n)',
          'driver=bridge --filter label=x=$c',
          'driver=null',
          'type=builtin',
          'type=custom --filter label=x=$c',
          'scope=local --filter name=$n-b',
          'scope=swarm',
          'dangling=true --filter label=x=$c',
        ].map((filter) => `docker network ls --filter ${filter} --format '{{.Name}}'`),
        'docker network ls --filter nosuch=1',
        'docker network ls --filter nonsense',
        'docker network ls --filter type=nosuch',
        'docker network ls --filter driver=nosuch -q',
      ],
    },
    {
      name: 'inspect: the names of its fields',
      steps: [
        'docker network create $n >/dev/null',
        sh`docker network inspect $n | python3 -c 'import json,sys; d=json.load(sys.stdin)[0]; print(*sorted(set(d) - {"EnableIPv4"}), *sorted(d["IPAM"]), *sorted(d["IPAM"]["Config"][0]), sep="\n")'`,
      ],
    },
    {
      name: 'inspect: the containers',
      steps: [
        'docker network create --subnet 10.84.10.0/24 $n >/dev/null',
        up('--network $n --ip 10.84.10.5'),
        sh`docker network inspect $n | python3 -c 'import json,sys; [print(sorted(c.items())) for c in json.load(sys.stdin)[0]["Containers"].values()]'`,
        'docker stop -t 0 $c',
        inspect('{{json .Containers}}'),
      ],
    },
    {
      name: 'inspect of networks that always exist',
      steps: [
        "docker network inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .Options}} {{json .Labels}}' host none",
        sh`docker network inspect -f '{{.Name}} {{.Driver}} {{.Internal}} {{.EnableIPv6}} {{len .IPAM.Config}}' bridge`,
      ],
    },
    {
      name: 'inspect: the options of the network bridge',
      steps: [
        sh`docker network inspect -f '{{json .Options}}' bridge | sed 's/"[a-z0-9-]*","com.docker.network.driver/"NAME","com.docker.network.driver/'`,
      ],
    },
    {
      name: 'inspect: errors',
      steps: [
        'docker network inspect nosuch',
        "docker network inspect -f '{{.Name}}' nosuch none",
        "docker network inspect -f '{{.Nope}}' none",
        "docker network inspect -f '{{' none",
        'docker network inspect',
        'docker network inspect --nope none',
        'docker inspect --type network nosuch',
      ],
    },
    {
      name: 'inspect without the word network',
      steps: [
        'docker network create $n >/dev/null',
        "docker inspect -f '{{.Name}}' $n",
        "docker inspect --type network -f '{{.Driver}}' $n",
        "docker inspect --type container -f '{{.Name}}' $n",
      ],
    },
    {
      name: 'rm',
      steps: [
        'docker network create $n >id; docker network create $n-b >/dev/null',
        'docker network rm $n $n-b',
        'docker network create $n >id; docker network rm $(cut -c1-12 id) | cut -c1-3 | tr 0-9a-f x',
        'docker network create $n >/dev/null; docker network remove $n',
        'docker network inspect $n',
      ],
    },
    {
      name: 'rm: errors',
      steps: [
        'docker network rm nosuch',
        'docker network rm -f nosuch',
        'docker network rm bridge',
        'docker network rm host none',
        'docker network rm',
        'docker network create $n >/dev/null; docker network rm nosuch $n',
        'docker network inspect $n',
      ],
    },
    {
      name: 'rm of a network in use',
      steps: [
        'docker network create $n >/dev/null',
        up('--network $n'),
        'docker network rm $n',
        'docker network rm -f $n',
        'docker stop -t 0 $c; docker network rm $n',
        'docker start $c',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
      ],
    },
    {
      name: 'connect and disconnect a container that runs',
      steps: [
        'docker network create --subnet 10.84.11.0/24 $n >/dev/null; docker network create --subnet 10.84.12.0/24 $n-b >/dev/null',
        up('--network $n --ip 10.84.11.5'),
        'docker network connect --ip 10.84.12.5 --alias web $n-b $c',
        addresses,
        'docker run --rm --network $n-b $image ping -c 1 -W 5 web | head -1',
        "docker inspect -f '{{range $name, $net := .NetworkSettings.Networks}}{{$net.IPAddress}} {{$net.Gateway}};{{end}}' $c",
        'docker exec $c ip route',
        'docker network disconnect $n $c',
        addresses,
        'docker exec $c ip route',
        'docker restart -t 0 $c',
        addresses,
      ],
    },
    {
      name: 'connect and disconnect a container that does not run',
      steps: [
        'docker network create --subnet 10.84.13.0/24 $n >/dev/null',
        "docker create --name $c $image sh -c 'ls /sys/class/net'",
        'docker network connect --ip 10.84.13.5 $n $c',
        'docker start -a $c',
        'docker network disconnect bridge $c',
        'docker start -a $c',
        'docker network disconnect $n $c',
        'docker start -a $c',
      ],
    },
    {
      name: 'connect: errors',
      steps: [
        'docker network create --subnet 10.84.14.0/24 $n >/dev/null',
        up(''),
        'docker network connect nosuch $c',
        'docker network connect $n nosuch',
        'docker network connect --ip 10.99.1.1 $n $c',
        'docker network connect --ip nonsense $n $c',
        'docker network connect host $c',
        'docker network connect none $c',
        'docker network connect bridge $c',
        'docker network connect $n $c; docker network connect $n $c',
        'docker network connect $n',
        'docker network connect --nope $n $c',
      ],
    },
    {
      name: 'connect of containers without a network of their own',
      steps: [
        'docker network create $n >/dev/null',
        up('--network host'),
        'docker network connect $n $c',
        up('--network none', '$c-c'),
        'docker network connect $n $c-c',
        up('', '$c-d'),
        up('--network container:$c-d', '$c-b'),
        'docker network connect $n $c-b',
      ],
    },
    {
      name: 'disconnect: errors',
      steps: [
        'docker network create $n >/dev/null',
        up(''),
        'docker network disconnect $n $c',
        'docker network disconnect nosuch $c',
        'docker network disconnect -f nosuch $c',
        'docker network disconnect $n nosuch',
        up('--network host', '$c-b'),
        'docker network disconnect host $c-b',
        'docker network disconnect $n',
      ],
    },
    {
      name: 'disconnect -f of a container that is gone',
      steps: ['docker network create $n >/dev/null', 'docker network disconnect -f $n nosuch'],
    },
    {
      name: 'prune',
      alone: true,
      steps: [
        'docker network create $n >/dev/null; docker network create --label keep $n-b >/dev/null',
        'docker network prune -f --filter label!=keep',
        'docker network prune -f --filter until=1h',
        up('--network $n-b'),
        'docker network prune -f',
        'docker rm -f $c; docker network prune -f',
        "docker network ls --format '{{.Name}}'",
        'docker network prune </dev/null',
        'echo y | docker network prune',
        'docker network prune -f --filter nosuch=1',
        'docker network prune x',
      ],
    },
  ],
};
