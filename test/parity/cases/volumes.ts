/** Named and anonymous volumes, and mounts of all kinds. */
import type { Section } from '../parity-case.js';

const sh = String.raw;

export const VOLUMES: Section = {
  title: 'volumes: create, list, inspect, remove',
  cases: [
    {
      name: 'create, ls, inspect, rm',
      steps: [
        'docker volume create $v',
        'docker volume create $v',
        'docker volume ls --filter name=$v',
        'docker volume ls -q --filter name=$v',
        "docker volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .Labels}} {{json .Options}}' $v",
        'docker volume rm $v',
        'docker volume rm $v',
        'docker volume inspect $v',
      ],
    },
    {
      name: 'create without a name',
      steps: [
        'docker volume create >id; wc -c <id; docker volume inspect -f "{{len .Name}}" $(cat id); docker volume rm $(cat id) | wc -c',
      ],
    },
    {
      name: 'what create refuses',
      steps: [
        'docker volume create a/b',
        'docker volume create -- -x',
        'docker volume create x',
        'docker volume create -d nosuch $v',
        'docker volume create -o nosuch=1 $v',
        'docker volume create -o type=tmpfs $v',
        'docker volume create --label "" $v',
        'docker volume create --nope',
        'docker volume create a b',
      ],
    },
    {
      name: 'labels and options in inspect',
      steps: [
        'docker volume create --label a=1 --label b -o type=tmpfs -o device=tmpfs -o o=size=1m,mode=700 $v',
        "docker volume inspect -f '{{json .Labels}} {{json .Options}}' $v",
        sh`docker volume inspect $v | python3 -c 'import json,sys; d=json.load(sys.stdin); print(len(d), sorted(d[0]))'`,
        "docker volume inspect -f '{{.Nope}}' $v",
        'docker volume inspect $v nosuch >out; echo $?; grep -c Name out',
      ],
    },
    {
      name: 'filters and formats of ls',
      steps: [
        'docker volume create --label k=$c $v; docker volume create --label k=$c --label m $v-b; docker create --name $c -v $v-b:/x $base true >/dev/null',
        'docker volume ls -q --filter label=k=$c; docker volume ls -q --filter label=m --filter name=$c',
        'docker volume ls -q --filter name=$c --filter dangling=true; docker volume ls -q --filter name=$c --filter dangling=false',
        'docker volume ls --filter name=$v --format \'{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}} {{.Label "k"}}\'',
        "docker volume ls --filter name=$v --format 'table {{.Name}}\\t{{.Driver}}'",
        sh`docker volume ls --filter name=$v-b --format json | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'`,
        'docker volume ls --filter driver=local -q --filter name=$v | wc -l; docker volume ls --filter driver=x',
        'docker volume ls --filter nosuch=1',
        'docker volume ls --filter dangling=maybe',
      ],
    },
    {
      name: 'a volume in use is not removed',
      steps: [
        'docker create --name $c -v $v:/x $base true >/dev/null',
        'docker volume rm $v',
        'docker volume rm -f $v',
        'docker rm $c; docker volume rm $v',
        'docker volume rm -f $v',
        'docker volume rm $v nosuch',
        'docker volume rm',
      ],
    },
    {
      name: 'prune',
      alone: true,
      steps: [
        'docker volume ls -q | xargs -r docker volume rm >/dev/null; docker create --name $c -v /x -v $v:/y $base true >/dev/null; docker volume prune -f; docker rm $c',
        'docker volume prune -f --filter label=none',
        'docker volume prune -f | grep -c "^[0-9a-f]\\{64\\}$"',
        'docker volume prune -f | tail -1',
        'echo n | docker volume prune >out; echo $?; grep -c WARNING out',
        'docker volume prune x',
        'docker volume prune --filter nosuch=x -f',
      ],
    },
    {
      name: 'prune leaves volumes that have a name',
      alone: true,
      steps: [
        'docker volume create $v; docker volume prune -f >/dev/null; docker volume ls -q --filter name=$v',
        'docker volume prune -af >/dev/null; docker volume ls -q --filter name=$v',
      ],
      verdict: {
        is: 'better',
        why: 'takes anonymous volumes only, and with -a all, as Docker does since release 23; the daemon that this was compared with is older, and removes named ones as well',
      },
    },
    {
      name: 'options of the driver: bind',
      steps: [
        'mkdir b; echo x >b/f; docker volume create -o type=none -o o=bind -o device=$d/b $v; docker run --rm -v $v:/x $base sh -c "cat /x/f; echo y >/x/g"; cat b/g',
        'docker volume rm $v; ls b',
        'docker volume create -o type=none -o o=bind -o device=$d/nosuch $v-b; docker run --rm -v $v-b:/x $base true',
      ],
      verdict: {
        is: 'better',
        why: 'exits with 125, because the engine has failed and no program is missing',
      },
    },
    {
      name: 'options of the driver: tmpfs',
      steps: [
        'docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m $v; docker run --rm -v $v:/x $base sh -c "df -k /x | tail -1 | awk \'{print \\$2}\'; head -c 2000000 /dev/zero >/x/f; wc -c </x/f"',
        'docker run --rm -v $v:/x $base ls /x',
      ],
    },
    {
      name: 'volumes in events',
      steps: [
        "s=$(date +%s); docker run --rm -v $v:/x $base true; docker volume rm $v; docker events --since $s --until $(($(date +%s) + 1)) --filter type=volume --format '{{.Action}} {{.Actor.ID}}' | grep $v",
      ],
    },
  ],
};

export const MOUNTS: Section = {
  title: 'volumes: mounts of containers',
  cases: [
    {
      name: 'a named volume outlives its container, and is shared',
      steps: [
        'docker run --rm -v $v:/data $base sh -c "echo one >/data/f; chown 5:6 /data/f"',
        'docker run --rm -v $v:/data $base sh -c "cat /data/f; stat -c %u:%g /data/f"',
        'docker run -d --name $c -v $v:/data $base sleep 60 >/dev/null; docker run --rm -v $v:/other $base sh -c "echo two >/other/g"; docker exec $c cat /data/g',
      ],
    },
    {
      name: 'read-only volumes',
      steps: [
        'docker run --rm -v $v:/data:ro $base sh -c "echo x >/data/f"',
        'docker run --rm --mount type=volume,src=$v,dst=/data,readonly $base sh -c "echo x >/data/f"',
        'docker run --rm -v $v:/data:nope $base true',
        'docker run --rm -v $v:/data:ro,rw $base true',
        'docker run --rm -v $v:/data:z $base true; docker run --rm -v $v:/data:Z,ro $base true; docker run --rm -v $v:/data:nocopy $base true',
      ],
    },
    {
      name: 'mounts in inspect',
      steps: [
        "docker create --name $c -v $v:/a:ro -v $d:/b -v /anon --mount type=volume,src=$v-b,dst=/c --mount type=tmpfs,dst=/t,tmpfs-size=1m --tmpfs /u $base true >/dev/null; docker inspect -f '{{range .Mounts}}{{.Destination}} {{.Type}} {{.Driver}} {{.Mode}} {{.RW}} {{.Propagation}}{{println}}{{end}}' $c | sort",
        "docker inspect -f '{{json .HostConfig.Binds}} {{json .HostConfig.Tmpfs}}' $c",
        "docker inspect -f '{{json .HostConfig.Mounts}}' $c",
        "docker inspect -f '{{json .Config.Volumes}}' $c",
        'docker rm -v $c',
      ],
    },
    {
      name: 'mounts in ps',
      steps: [
        "docker create --name $c -v $v:/a -v $d:/b $base true >/dev/null; docker ps -a --filter name=$c --format '{{.Mounts}} {{.LocalVolumes}}' | sed 's,/tmp/[^,]*,DIR,; s,DIR.*DIR,DIR,'",
        'docker ps -a --filter volume=$v --format "{{.Names}}"; docker ps -a --filter volume=/b --filter name=$c --format "{{.Names}}"; docker ps -a --filter volume=nosuch -q',
      ],
    },
    {
      name: 'anonymous volumes: rm, rm -v, --rm',
      alone: true,
      steps: [
        'docker volume ls -q | xargs -r docker volume rm >/dev/null; docker create --name $c -v /anon $base true >/dev/null; docker rm $c; docker volume ls -q | wc -l; docker volume ls -q | xargs docker volume rm >/dev/null',
        'docker create --name $c -v /anon -v $v:/named $base true >/dev/null; docker rm -v $c; docker volume ls -q',
        'docker run --rm -v /anon -v $v-b:/named $base touch /anon/f /named/f; docker volume ls -q | sort',
        'docker run -d --rm --name $c -v /anon $base sleep 60 >/dev/null; docker volume ls -q | wc -l; docker stop -t 0 $c; sleep 1; docker volume ls -q | wc -l',
        'docker run --rm $full; docker volume ls -q | wc -l',
      ],
    },
    {
      name: 'copy-up to a named volume',
      steps: [
        'docker run --rm -v $v:/vol --entrypoint sh $full -c "cat /vol/file /vol/sub/deep; stat -c %u:%g:%a /vol /vol/sub /vol/file; readlink /vol/link"',
        'docker run --rm -v $v:/x $base sh -c "ls /x; stat -c %u:%g:%a /x; rm /x/file"',
        'docker run --rm -v $v:/vol --entrypoint ls $full /vol',
        'docker run --rm -v $v-b:/vol:nocopy --entrypoint ls $full /vol',
        'docker run --rm -v $v-b:/vol --entrypoint ls $full /vol',
      ],
    },
    {
      name: 'cp with a container that was created only sees the files that its volumes get',
      steps: [
        'docker create --name $c -v $v:/vol $full >/dev/null; docker cp $c:/vol/file - | tar -xO; docker create --name $c-b $full >/dev/null; docker cp $c-b:/vol/. - | tar -t | sort',
        'echo x >new; docker cp new $c:/vol/new; docker cp $c:/vol/new - | tar -xO; docker start -a $c; docker run --rm -v $v:/x $base sh -c "ls /x; cat /x/new"',
        'docker cp $c:/vol/. - | tar -t | sort',
      ],
    },
    {
      name: 'a volume has the image’s files as soon as a container with it was created',
      steps: [
        'docker create --name $c -v $v:/vol $full >/dev/null; docker run --rm -v $v:/x $base ls /x',
      ],
      verdict: {
        is: 'differs',
        why: 'with the first start of the container: other containers find the volume empty until then',
      },
    },
    {
      name: 'copy-up through --mount, volume-nocopy',
      steps: [
        'docker run --rm --mount type=volume,src=$v,dst=/vol,volume-nocopy --entrypoint ls $full /vol',
        'docker run --rm --mount type=volume,src=$v-b,dst=/vol --entrypoint ls $full /vol',
        'docker run --rm --mount type=volume,dst=/vol --entrypoint ls $full /vol',
      ],
    },
    {
      name: 'binds hide what the image has',
      steps: [
        'docker run --rm -v $d:/vol --entrypoint ls $full /vol',
        'mkdir b; docker run --rm -v ./b:/vol --entrypoint sh $full -c "ls /vol; stat -c %u /vol"',
        'docker run --rm -v $d/made:/x $base sh -c "echo x >/x/f"; cat made/f',
        'docker run --rm --mount type=bind,src=$d/nosuch,dst=/x $base true',
        'echo y >file; docker run --rm -v $d/file:/file:ro $base sh -c "cat /file; echo x >/file"',
        'docker run --rm --mount type=bind,src=$d/file,dst=/new/file $base cat /new/file',
      ],
    },
    {
      name: 'what --mount and -v refuse',
      steps: [
        'docker run --rm --mount type=volume,src=$v $base true',
        'docker run --rm --mount type=nope,dst=/x $base true',
        'docker run --rm --mount type=bind,dst=/x $base true',
        'docker run --rm --mount type=tmpfs,src=x,dst=/x $base true',
        'docker run --rm --mount dst=relative $base true',
        'docker run --rm --mount type=volume,dst=/x,nope=1 $base true',
        'docker run --rm --mount type=volume,dst=/x,tmpfs-size=1m $base true',
        'docker run --rm --mount type=bind,src=/tmp,dst=/x,volume-nocopy $base true',
        'docker run --rm -v $v:relative $base true',
        'docker run --rm -v $v:/ $base true',
        'docker run --rm -v a:b:c:d $base true',
        'docker run --rm -v ":/x" $base true',
        'docker run --rm -v $v:/x -v $v-b:/x $base true',
        'docker run --rm -v $v:/x --tmpfs /x $base grep -c " /x " /proc/mounts',
      ],
    },
    {
      name: 'volume-label and volume-driver of --mount',
      steps: [
        "docker create --name $c --mount type=volume,src=$v,dst=/x,volume-label=a=1,volume-driver=local $base true >/dev/null; docker volume inspect -f '{{json .Labels}}' $v",
        "docker run --rm --mount type=volume,src=$v-b,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m $base sh -c \"grep ' /x ' /proc/mounts | cut -d' ' -f 3\"",
      ],
    },
    {
      name: 'volume-subpath',
      steps: [
        'docker run --rm -v $v:/x $base sh -c "mkdir -p /x/a/b; echo deep >/x/a/b/f"; docker run --rm --mount type=volume,src=$v,dst=/y,volume-subpath=a/b $base cat /y/f',
      ],
      verdict: {
        is: 'better',
        why: 'mounts the part, as Docker does since release 26; the daemon that this was compared with is older',
      },
    },
    {
      name: '--volumes-from',
      steps: [
        'docker create --name $c -v $v:/a -v $d:/b -v /anon --tmpfs /t $base true >/dev/null; echo x >f',
        'docker run --rm --volumes-from $c $base sh -c \'cat /b/f; for m in /a /b /anon /t; do grep -c " $m " /proc/mounts; done\'',
        "docker run --rm --volumes-from $c:ro $base sh -c 'echo y >/a/f; echo y >/b/g'",
        'docker run --name $c-b --volumes-from $c $base touch /anon/f; docker run --rm --volumes-from $c $base ls /anon',
        'docker run --rm --volumes-from nosuch $base true',
        'docker run --rm --volumes-from $c:nope $base true',
        'docker create --name $c-c --volumes-from $c:ro $base true >/dev/null; docker inspect -f \'{{json .HostConfig.VolumesFrom}} {{range .Mounts}}{{println}}{{.Destination}} {{.RW}}{{end}}\' $c-c | sed "s/$c/NAME/" | sort',
        'docker rm -v $c-c; docker rm -v $c-b; docker rm -v $c',
      ],
    },
    {
      name: 'tmpfs and its options',
      steps: [
        "docker run --rm --tmpfs /t $base sh -c \"grep ' /t ' /proc/mounts | cut -d' ' -f 3; stat -c %a:%u /t\"",
        'docker run --rm --tmpfs /t:size=1m,mode=700,uid=5,gid=6 $base sh -c "stat -c %a:%u:%g /t; df -k /t | tail -1 | awk \'{print \\$2}\'"',
        'docker run --rm --tmpfs /t $base sh -c "cp /bin/busybox /t/ls && /t/ls /t"; docker run --rm --tmpfs /t:exec $base sh -c "cp /bin/busybox /t/ls && /t/ls /t"',
        'docker run --rm --tmpfs /t:ro $base touch /t/f',
        'docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770 $base stat -c %a /t',
        'docker run --rm --tmpfs /t:nope $base true',
        'docker run --rm --tmpfs relative $base true',
        'docker run --rm --tmpfs /vol --entrypoint sh $full -c "ls /vol"',
      ],
    },
    {
      name: 'read-only roots with volumes and tmpfs',
      steps: [
        'docker run --rm --read-only -v $v:/data --tmpfs /t $base sh -c "touch /data/f /t/f && ls /data /t; touch /f"',
        'docker run --rm --read-only --entrypoint sh $full -c "touch /vol/new && ls /vol"',
      ],
    },
    {
      name: 'a mount below another, in either order',
      steps: [
        'mkdir b; echo x >b/f; docker run --rm -v $d/b:/a/b -v $v:/a $base sh -c "cat /a/b/f; ls /a"',
        'docker run --rm -v $v:/a $base ls /a',
      ],
    },
    {
      name: 'a volume at the place of a file',
      steps: [
        'docker run --rm -v $v:/etc/passwd $base true',
        'docker run --rm -v $d:/etc/group $base true',
      ],
    },
    {
      name: 'a link at the mount point',
      steps: [
        'docker run --name $c $base sh -c "mkdir /real; ln -s /real /link"; docker commit $c $t:1 >/dev/null; docker run --rm -v $v:/link $t:1 sh -c "touch /link/f; ls /real; readlink /link"',
      ],
    },
  ],
};
