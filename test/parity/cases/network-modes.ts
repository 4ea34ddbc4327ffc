/** `--network` and the addresses of a container. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = (flags: string, name = '$c') => `docker run -d --name ${name} ${flags} $image sleep 60`;
const failure = "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c";

export const NETWORK_MODES: Section = {
  title: 'networks: modes and addresses',
  cases: [
    {
      name: 'the default is the bridge',
      steps: [
        'docker run --rm $image ls /sys/class/net',
        'docker run --rm $image cat /sys/class/net/eth0/mtu /sys/class/net/eth0/operstate',
        sh`docker run --rm $image ip route | sed 's/[0-9.]\{7,\}/A/g'`,
        'docker create --name $c $image true',
        "docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' $c",
      ],
    },
    {
      name: 'the name of the default in inspect',
      steps: [
        'docker create --name $c $image true',
        "docker inspect -f '{{.HostConfig.NetworkMode}}' $c",
      ],
      verdict: {
        is: 'better',
        why: '`bridge`, the name of the network; Docker has a second one for it',
      },
    },
    {
      name: '--network bridge and default are the same network',
      steps: [
        up('--network bridge'),
        up('--network default', '$c-b'),
        "docker inspect -f '{{.HostConfig.NetworkMode}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' $c $c-b",
        "docker exec $c ping -c 1 -W 5 $(docker inspect -f '{{.NetworkSettings.IPAddress}}' $c-b) | grep -c '0% packet loss'",
      ],
    },
    {
      name: 'the gateway answers',
      steps: [
        sh`docker run --rm $image sh -c 'ping -c 1 -W 5 $(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p")' | grep -o '[0-9]* packets received'`,
      ],
    },
    {
      name: 'the host reaches a container by its address',
      steps: [
        up(''),
        "busybox ping -c 1 -W 5 $(docker inspect -f '{{.NetworkSettings.IPAddress}}' $c) | grep -o '[0-9]* packets received'",
      ],
    },
    {
      name: 'any program may use low ports, and ping',
      steps: [
        'docker run --rm -u user $image cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range',
      ],
      verdict: {
        is: 'better',
        why: 'the groups that the user namespace of the container has; Docker’s are those of the host',
      },
    },
    {
      name: 'without IPv6 in the network there is none in the container',
      steps: [
        'docker run --rm $image cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6',
        'docker run --rm $image ip -6 addr show dev eth0',
      ],
    },
    {
      name: '--network none',
      steps: [
        'docker run --rm --network none $image ls /sys/class/net',
        'docker run --rm --network none $image ip route',
        'docker run --rm --network none $image ping -c 1 -W 1 192.0.2.1',
        'docker run --rm --network none $image ping -c 1 127.0.0.1 | grep -o "[0-9]* packets received"',
      ],
    },
    {
      name: '--network none and addresses',
      steps: [
        'docker run --rm --network none --ip 10.80.1.2 $image true',
        'docker run --rm --network none --network-alias x $image true',
      ],
    },
    {
      name: '--network none with a published port',
      steps: ['docker run --rm --network none -p 8080:80 $image echo started'],
      verdict: { is: 'better', why: 'refused; Docker ignores the port' },
    },
    {
      name: '--network host',
      steps: [
        'test "$(docker run --rm --network host $image readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" && echo same',
        'test "$(docker run --rm --network host $image hostname)" = "$(hostname)" && echo same',
        'docker run --rm --network host -h box $image hostname',
        'docker run --rm --network host --uts host $image true',
      ],
    },
    {
      name: '--network host and the flags of networks',
      steps: [
        'docker run --rm --network host --ip 10.80.1.2 $image true',
        'docker run --rm --network host --network-alias x $image true',
        'docker run --rm --network host --mac-address 02:00:00:00:00:01 $image true',
        'docker run --rm --network host --sysctl net.ipv4.ip_forward=1 $image true',
      ],
    },
    {
      name: '--network host with a published port',
      steps: ['docker run --rm --network host -p 8080:80 $image echo started'],
      verdict: { is: 'better', why: 'refused; Docker ignores the port, with a warning' },
    },
    {
      name: '--network container:',
      steps: [
        up('-h box'),
        'docker run --rm --network container:$c $image ip -o -4 addr show dev eth0 >one; docker exec $c ip -o -4 addr show dev eth0 | diff - one && echo same',
        'docker run --rm --network container:$c $image hostname',
        'docker run --rm --network container:$c $image cat /etc/hosts >one; docker exec $c cat /etc/hosts | diff - one && echo same',
        sh`docker run -d --name $c-b --network container:$(docker inspect -f '{{.Id}}' $c | cut -c1-12) $image sleep 60; docker inspect -f '{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Networks}}' $c-b`,
        'docker run --rm --net container:$c $image ls /sys/class/net',
      ],
    },
    {
      name: '--network container: and flags that it excludes',
      steps: [
        up(''),
        ...[
          '-h box',
          '--add-host a:1.2.3.4',
          '--dns 1.1.1.1',
          '--mac-address 02:00:00:00:00:01',
          '-p 8080:80',
          '-P',
          '--expose 80',
          '--network-alias x',
        ].map((flags) => `docker run --rm --network container:$c ${flags} $image true`),
      ],
    },
    {
      name: '--network container: with an address',
      steps: [up(''), 'docker run --rm --network container:$c --ip 10.80.1.2 $image echo started'],
      verdict: { is: 'better', why: 'refused; Docker ignores the address' },
    },
    {
      name: '--network container: of one that does not run, of itself, of none',
      steps: [
        'docker create --name $c $image true',
        'docker run --name $c-b --network container:$c $image true',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c-b",
        'docker run --rm --network container:nosuch $image true',
        'docker run --rm --network container: $image true',
        'docker run --name $c-c --network container:$c-c $image true',
      ],
    },
    {
      name: '--network container: of one that has the network of the host',
      steps: [up('--network host'), 'docker run --rm --network container:$c $image echo started'],
      verdict: { is: 'differs', why: 'refused, with a hint: `--network host` is the same' },
    },
    {
      name: '--network container: of one that does not exist: create',
      steps: ['docker create --name $c --network container:nosuch $image true'],
      verdict: { is: 'better', why: 'refused at once; with Docker the start fails' },
    },
    {
      name: 'a network that does not exist',
      steps: [
        'docker run --rm --network nosuch $image true',
        "docker run --rm --network '' $image true",
        "docker run --rm --network 'a b' $image true",
      ],
    },
    {
      name: 'a network that does not exist: what is left',
      steps: ['docker run -d --name $c --network nosuch $image true', failure],
      verdict: { is: 'better', why: 'nothing; Docker leaves a container that cannot be started' },
    },
    {
      name: 'a network by its id, and the beginning of that',
      steps: [
        'docker network create $n >id',
        'docker run --rm --network $(cat id) $image ls /sys/class/net',
        'docker run --rm --network $(cut -c1-12 id) $image ls /sys/class/net',
        "docker run -d --name $c --network $(cut -c1-12 id) $image sleep 60; docker inspect -f '{{len .HostConfig.NetworkMode}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' $c",
      ],
    },
    {
      name: '--ip',
      steps: [
        'docker network create --subnet 10.81.1.0/24 $n',
        'docker run --rm --network $n --ip 10.81.1.77 $image sh -c "ip -4 -o addr show dev eth0 | cut -d: -f2; cat /sys/class/net/eth0/address; ip route"',
        up('--network $n --ip 10.81.1.78'),
        'docker inspect -f \'{{json .NetworkSettings.Networks}}\' $c | python3 -c \'import json,sys; n=list(json.load(sys.stdin).values())[0]; print(n["IPAMConfig"], n["IPAddress"], n["IPPrefixLen"], n["Gateway"], n["MacAddress"])\'',
        'docker restart -t 0 $c; docker exec $c ip -4 -o addr show dev eth0 | cut -d: -f2',
      ],
    },
    {
      name: '--ip that is taken, outside, or wrong',
      steps: [
        'docker network create --subnet 10.81.2.0/24 $n',
        up('--network $n --ip 10.81.2.7'),
        'docker run --name $c-b --network $n --ip 10.81.2.7 $image true',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c-b",
        'docker run --rm --network $n --ip 10.81.2.1 $image true',
        'docker run --rm --network $n --ip 10.99.2.7 $image true',
        'docker run --rm --network $n --ip 10.81.2 $image true',
        'docker run --rm --network $n --ip fd00::1 $image true',
        'docker run --rm --ip 172.17.0.99 $image true',
      ],
    },
    {
      name: '--ip in a network whose subnet was chosen',
      steps: [
        'docker network create $n',
        sh`docker run --rm --network $n --ip $(docker network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' $n | sed 's#[0-9]*/.*#77#') $image true`,
      ],
      verdict: { is: 'better', why: 'possible, because the network keeps the subnet' },
    },
    {
      name: '--ip6',
      steps: [
        'docker network create --ipv6 --subnet 10.81.3.0/24 --subnet fd00:81:3::/64 $n',
        'docker run --rm --network $n --ip6 fd00:81:3::77 $image sh -c \'ip -6 -o addr show dev eth0 scope global | grep -o "inet6 [^ ]*"; ip -6 route | grep default\'',
        up('--network $n --ip 10.81.3.5'),
        "docker inspect -f '{{range .NetworkSettings.Networks}}{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}}{{end}}' $c",
        "docker run --rm --network $n $image ping -c 1 -W 5 $(docker inspect -f '{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}' $c) | grep -o '[0-9]* packets received'",
      ],
    },
    {
      name: '--ip6 in a network without IPv6, or wrong',
      steps: [
        'docker network create --subnet 10.81.4.0/24 $n',
        'docker run --rm --network $n --ip6 fd00:81:4::77 $image true',
        'docker run --rm --network $n --ip6 10.81.4.5 $image true',
        'docker run --rm --network $n --ip6 fd00:::1 $image true',
      ],
    },
    {
      name: '--mac-address',
      steps: [
        'docker run --rm --mac-address 02:00:00:00:00:a1 $image cat /sys/class/net/eth0/address',
        'docker create --name $c --mac-address 02-00-00-00-00-A2 $image cat /sys/class/net/eth0/address; docker start -a $c',
      ],
      verdict: {
        is: 'better',
        why: 'this client of Docker does not give the address to a daemon before version 25',
      },
    },
    {
      name: '--mac-address with a wrong value',
      steps: [
        'docker run --rm --mac-address nonsense $image true',
        'docker run --rm --mac-address 02:00:00:00:00 $image true',
        'docker run --rm --mac-address 02:00:00:00:00:01:02 $image true',
      ],
    },
    {
      name: 'the MAC address follows from the address',
      steps: [
        'docker network create --subnet 10.81.5.0/24 $n',
        'docker run --rm --network $n --ip 10.81.5.200 $image cat /sys/class/net/eth0/address',
      ],
    },
    {
      name: '--link-local-ip',
      steps: [
        'docker network create --subnet 10.81.6.0/24 $n',
        "docker run --rm --network $n --link-local-ip 169.254.7.7 $image ip -4 -o addr show dev eth0 | tr -s ' ' | grep -o 'inet [0-9./]*'",
        'docker run --rm --network $n --link-local-ip 10.1.2.3 $image true',
        'docker run --rm --network $n --link-local-ip nonsense $image true',
      ],
    },
    {
      name: '--network with fields',
      steps: [
        'docker network create --subnet 10.81.7.0/24 $n',
        'docker run --rm --network name=$n,ip=10.81.7.9,alias=web $image sh -c "ip -4 -o addr show dev eth0 | cut -d: -f2; nslookup web | grep -c 10.81.7.9"',
        'docker run --rm --network name=$n,nosuch=1 $image true',
        'docker run --rm --network ip=10.81.7.9 $image true',
        'docker run --rm --network name=$n,ip=10.81.7.9 --ip 10.81.7.8 $image true',
        'docker run --rm --network name=$n,ip $image true',
      ],
    },
    {
      name: 'several networks',
      steps: [
        'docker network create --subnet 10.81.8.0/24 $n; docker network create --subnet 10.81.9.0/24 $n-b',
        'docker run --rm --network $n --network $n-b $image sh -c \'ip -4 -o addr | tr -s " " | cut -d" " -f2,4\'',
      ],
      verdict: { is: 'better', why: 'Docker has that since version 25' },
    },
    {
      name: 'several networks that exclude each other',
      steps: [
        'docker run --rm --network bridge --network bridge $image true',
        'docker run --rm --network host --network bridge $image true',
        'docker run --rm --network none --network nosuch $image true',
      ],
    },
    {
      name: 'an internal network has no way out',
      steps: [
        'docker network create --internal --subnet 10.81.10.0/24 $n',
        up('--network $n'),
        'docker exec $c ip route',
        'docker exec $c ping -c 1 -W 1 192.0.2.1 >/dev/null 2>&1',
        'docker run --rm --network $n $image ping -c 1 -W 5 $c | grep -o "[0-9]* packets received"',
      ],
      verdict: { is: 'better', why: 'no default route: what leads outside is refused at once' },
    },
    {
      name: 'containers of two networks do not reach each other',
      steps: [
        'docker network create --subnet 10.81.11.0/24 $n; docker network create --subnet 10.81.12.0/24 $n-b',
        up('--network $n --ip 10.81.11.5'),
        'docker run --rm --network $n $image ping -c 1 -W 5 10.81.11.5 | grep -o "[0-9]* packets received"',
        'docker run --rm --network $n-b $image ping -c 1 -W 1 10.81.11.5 | grep -o "[0-9]* packets received"',
        'docker run --rm $image ping -c 1 -W 1 10.81.11.5 | grep -o "[0-9]* packets received"',
      ],
    },
    {
      name: 'an interface of a network has its MTU',
      steps: [
        'docker network create -o com.docker.network.driver.mtu=1400 $n',
        'docker run --rm --network $n $image cat /sys/class/net/eth0/mtu',
      ],
    },
  ],
};
