/** `cp`, `diff`, `commit` and `export`. */
import type { Section } from '../parity-case.js';

const made = 'docker create --name $c $base sleep 60 >/dev/null';
const up = 'docker run -d --name $c $base sleep 60 >/dev/null';

export const CP: Section = {
  title: 'cp, diff, commit, export: cp',
  cases: [
    {
      name: 'a file into a stopped and a running container',
      steps: [
        `${made}; echo x >f; docker cp f $c:/f; docker cp f $c:/tmp; docker cp f $c:/tmp/; docker cp f $c:/tmp/g`,
        'docker start $c >/dev/null; docker exec $c sh -c "cat /f /tmp/f /tmp/g; stat -c %u:%g /f"',
        'echo y >f; docker cp f $c:/f; docker exec $c cat /f',
        'docker cp f $c:relative; docker exec $c cat /relative',
      ],
    },
    {
      name: 'a file out of a stopped and a running container',
      steps: [
        'docker run --name $c $base sh -c "echo x >/f; chmod 640 /f; touch -d @1000000000 /f"; docker cp $c:/f .; docker cp $c:/f g; mkdir d; docker cp $c:f d/; docker cp $c:/f d/h; cat f g d/f d/h; stat -c "%a %Y %u" f',
        'docker start $c >/dev/null; docker cp $c:/etc/group -  | tar -tv | awk "{print \\$1, \\$NF}"',
      ],
    },
    {
      name: 'directories, with and without "/."',
      steps: [
        `mkdir -p s/t; echo 1 >s/1; echo 2 >s/t/2; ${up}; docker cp s $c:/new; docker cp s $c:/tmp; docker cp s/. $c:/var; docker cp s/ $c:/srv`,
        'docker exec $c sh -c "ls /new /tmp/s; ls /var/1 /var/t; ls /srv"',
        'docker cp $c:/new out1; docker cp $c:/new/. out2; mkdir out3; docker cp $c:/new out3; ls out1 out2 out3/new',
      ],
    },
    {
      name: 'what is refused, and its exit code',
      steps: [
        `${made}; mkdir s; echo x >f`,
        'docker cp nosuch $c:/',
        'docker cp $c:/nosuch .',
        'docker cp f $c:/nosuch/dir',
        'docker cp f $c:/nosuch/',
        'docker cp s $c:/etc/passwd',
        'docker cp f $c:/etc/passwd/',
        'docker cp $c:/etc f',
        'docker cp $c:/etc/passwd nosuch/',
        'docker cp $c:/etc/passwd/ x',
        'docker cp f nosuch:/',
        'docker cp f g',
        'docker cp $c:/f $c:/g',
        'docker cp --nope f $c:/',
        'docker cp "" $c:/',
        'docker cp $c: x',
      ],
    },
    {
      name: 'links are copied as links, and followed with -L',
      steps: [
        'docker run --name $c $base sh -c "echo x >/f; ln -s f /l; ln -s /etc /d"; docker cp $c:/l .; readlink l; docker cp -L $c:/l m; cat m',
        'docker cp $c:/d e; readlink e; docker cp -L $c:/d g >/dev/null; ls g/passwd',
        'echo y >h; ln -s h i; docker cp i $c:/i; docker cp $c:/i - | tar -tv | awk "{print \\$NF}"; docker cp -L i $c:/j; docker cp $c:/j - | tar -xO',
        'docker cp h $c:/l; docker cp $c:/f - | tar -xO',
        'docker cp h $c:/d/; docker cp $c:/etc/h - | tar -xO',
      ],
    },
    {
      name: '-a keeps the owners',
      steps: [
        `${up}; echo x >f; chown 5:6 f; docker cp f $c:/f; docker cp -a f $c:/g; docker exec $c stat -c %u:%g /f /g`,
        'docker exec $c sh -c "touch /h; chown 7:8 /h"; docker cp $c:/h h1; docker cp -a $c:/h h2; stat -c %u:%g h1 h2',
      ],
      verdict: {
        is: 'better',
        why: 'the file on the host has the owner of the one in the container, as the flag says; with Docker it belongs to root',
      },
    },
    {
      name: 'modes and times are kept',
      steps: [
        `${up}; echo x >f; chmod 4750 f; touch -d @1000000000 f; mkdir d; chmod 1777 d; docker cp f $c:/f; docker cp d $c:/d; docker exec $c stat -c "%a %Y" /f; docker exec $c stat -c %a /d`,
        'docker cp $c:/f g; docker cp $c:/d e; stat -c "%a %Y" g; stat -c %a e',
      ],
    },
    {
      name: 'tar streams both ways',
      steps: [
        `${up}; echo x >f; mkdir d; echo y >d/g; tar -c f d | docker cp - $c:/tmp; docker exec $c cat /tmp/f /tmp/d/g`,
        'docker cp $c:/tmp/d - | tar -t; docker cp $c:/tmp/d/. - | tar -t; docker cp $c:/tmp/f - | tar -xO',
        'tar -c f | docker cp - $c:/nosuch',
        'tar -c f | docker cp - $c:/etc/passwd',
        'echo text | docker cp - $c:/tmp',
        'tar -c --owner=5 --group=6 f | docker cp - $c:/run; docker exec $c stat -c %u:%g /run/f',
        'tar -cz f | docker cp - $c:/var; docker exec $c ls /var/f',
        'docker cp - -',
      ],
    },
    {
      name: 'volumes and binds of a container',
      steps: [
        'docker create --name $c -v $v:/data -v $d:/host $base sleep 60 >/dev/null; echo x >f; docker cp f $c:/data/f; docker cp f $c:/host/g; cat g; docker run --rm -v $v:/x $base cat /x/f',
        'docker cp $c:/host/g h; cat h',
        'docker create --name $c-b -v $v:/data:ro $base true >/dev/null; docker cp f $c-b:/data/new',
        'docker create --name $c-c --read-only $base true >/dev/null; docker cp f $c-c:/new',
      ],
    },
    {
      name: 'a tmpfs of a running container',
      steps: [
        'docker run -d --name $c --tmpfs /t $base sh -c "echo inside >/t/f; sleep 60" >/dev/null; until docker exec $c ls /t/f; do sleep 0.1; done; docker cp $c:/t/f .',
      ],
      verdict: {
        is: 'better',
        why: 'copies what the container sees; Docker does not find the files of a tmpfs',
      },
    },
    {
      name: 'odd names',
      steps: [
        `${up}; printf 1 >'a b'; printf 2 >'c:d'; printf 3 >-e; docker cp 'a b' $c:/; docker cp ./c:d $c:/; docker cp -- -e $c:/; docker exec $c cat '/a b' /c:d /-e`,
        'docker cp "$c:/c:d" x; cat x; docker cp "$c:/a b" "y z"; cat "y z"',
        'printf x >"$(printf \'n\\303\\244me\')"; docker cp "$(printf \'n\\303\\244me\')" $c:/; docker exec $c ls / | grep n..me',
      ],
    },
    {
      name: 'hard links and special files',
      steps: [
        'docker run --name $c $base sh -c "mkdir /d; echo x >/d/a; ln /d/a /d/b; mkfifo /d/p"; docker cp $c:/d .; stat -c %h d/a; stat -c %F d/p; docker cp d $c:/e; docker cp $c:/e - | tar -tv | cut -c 1 | sort | tr -d "\\n"',
      ],
    },
    {
      name: '..  in a path of the container',
      steps: [
        'docker run --name $c $base sh -c "mkdir -p /a/b; echo x >/a/f"; docker cp $c:/a/b/../f .; cat f; docker cp $c:../../etc/passwd p; head -c 4 p; docker cp $c:/a/b/.. q; ls q',
      ],
    },
    {
      name: 'a paused container',
      steps: [
        `${up}; docker pause $c; echo x >f; docker cp f $c:/f; docker cp $c:/f g; cat g; docker unpause $c; docker exec $c cat /f`,
      ],
    },
  ],
};

export const CHANGES: Section = {
  title: 'cp, diff, commit, export: diff, commit, export',
  cases: [
    {
      name: 'diff: added, changed, deleted',
      steps: [
        'docker run --name $c $base sh -c "echo x >/new; echo y >>/etc/group; rm /etc/passwd; mkdir -p /d/e; chmod 700 /var/tmp"; docker diff $c | sort',
        'docker container diff $c | sort | head -2',
        'docker diff nosuch',
        'docker diff',
      ],
    },
    {
      name: 'diff of a container that has changed nothing',
      steps: [`${made}; docker diff $c`, 'docker start $c >/dev/null; docker diff $c'],
    },
    {
      name: 'diff: replaced and renamed',
      steps: [
        'docker run --name $c $full true; docker run --name $c-b -u 0 --entrypoint sh $full -c "rm -r /work; echo >/work; mv /etc/group /etc/g; rm -r /home; mkdir /home; ln -s x /l"; docker diff $c-b | sort',
      ],
    },
    {
      name: 'diff without volumes and tmpfs',
      steps: [
        'docker run --name $c -v $v:/data --tmpfs /t -v $d:/host $base sh -c "touch /data/a /t/b /host/c /dev/shm/x"; docker diff $c | sort',
      ],
    },
    {
      name: 'commit, and a run of its image',
      steps: [
        'docker run --name $c $base sh -c "echo x >/new; rm /etc/group"; docker commit $c $t:1',
        'docker run --rm $t:1 sh -c "cat /new; ls /etc/group"',
        'docker commit $c >id; docker rmi $(cat id)',
        'docker commit nosuch $t:2',
        'docker commit $c UPPER:1',
        'docker commit',
        'docker commit $c $t:1 x',
      ],
    },
    {
      name: 'commit: the configuration is the container’s',
      steps: [
        'docker create --name $c -e X=1 -w /w -u 5 --expose 99 -l k=v -v /anon -h named --stop-signal INT --health-cmd true --entrypoint e $base a b >/dev/null; docker commit $c $t:1 >/dev/null',
        "docker image inspect -f '{{json .Config.Env}} {{.Config.WorkingDir}} {{.Config.User}} {{json .Config.ExposedPorts}} {{json .Config.Labels}} {{json .Config.Volumes}} {{.Config.StopSignal}} {{json .Config.Healthcheck}} {{json .Config.Entrypoint}} {{json .Config.Cmd}}' $t:1",
        "docker image inspect -f '{{len .RootFS.Layers}} {{.Os}} {{.Author}}|{{.Comment}}' $t:1",
      ],
    },
    {
      name: 'commit -c, -m, -a',
      steps: [
        `${made}; docker commit -m 'a message' -a 'A B <c@d>' -c 'CMD ["x"]' --change 'ENV N=1' -c 'ENTRYPOINT ["y"]' -c 'LABEL q=r' -c 'EXPOSE 1/udp' -c 'USER u' -c 'WORKDIR sub' -c 'VOLUME ["/p", "/q"]' -c 'HEALTHCHECK NONE' -c 'ONBUILD RUN x' $c $t:1 >/dev/null`,
        "docker image inspect -f '{{.Author}}|{{.Comment}}|{{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.Entrypoint}} {{json .Config.Labels}} {{json .Config.ExposedPorts}} {{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Volumes}} {{json .Config.Healthcheck}} {{json .Config.OnBuild}}' $t:1",
        "docker history --format '{{.CreatedBy}}|{{.Comment}}' $t:1 | head -1",
        `docker commit -c 'RUN x' $c $t:2`,
        `docker commit -c 'FROM x' $c $t:2`,
        `docker commit -c 'EXPOSE lots' $c $t:2`,
        `docker commit -c '' $c $t:2 | wc -c`,
      ],
    },
    {
      name: 'commit of a running and of a paused container',
      steps: [
        `${up}; docker commit $c $t:1 >/dev/null; docker inspect -f '{{.State.Status}}' $c; docker commit -p=false $c $t:2 >/dev/null; docker pause $c; docker commit $c $t:3 >/dev/null; docker inspect -f '{{.State.Status}}' $c; docker images --format '{{.Tag}}' $t | sort`,
      ],
    },
    {
      name: 'commit: metadata of files',
      steps: [
        'docker run --name $c $base sh -c "mkdir /m; echo x >/m/a; ln /m/a /m/b; chown 5:6 /m/a; chmod 4755 /m/a; touch -d @1000000000 /m/a; mkfifo /m/p; ln -s a /m/l"; docker commit $c $t:1 >/dev/null; docker run --rm $t:1 sh -c "cd /m; stat -c \'%n %a %u:%g %h %F\' *; stat -c %Y a; readlink l"',
      ],
    },
    {
      name: 'commit does not take volumes',
      steps: [
        'docker run --name $c -v $v:/data -v $d:/host $base touch /data/f /host/g /h; docker commit $c $t:1 >/dev/null; docker run --rm $t:1 ls /data /host /h',
      ],
    },
    {
      name: 'export',
      steps: [
        'docker run --name $c -v $v:/data $base sh -c "echo x >/f; touch /data/g; chown 5:6 /f"; docker export $c | tar -t | grep -e "^f$" -e "^data" -e "^etc/passwd"',
        'docker export -o a.tar $c; tar -tvf a.tar f | awk "{print \\$1, \\$2}"; stat -c %a a.tar',
        'docker start $c >/dev/null; docker export $c | tar -xO etc/group | head -1',
        'docker create --name $c-b $full >/dev/null; docker export $c-b | tar -t | grep ^vol; docker run --name $c-c $full; docker export $c-c | tar -t | grep ^vol',
        'docker export nosuch',
        'docker export -o /nosuch/x $c',
        'docker export',
      ],
    },
    {
      name: 'export: the names of all files',
      verdict: {
        is: 'better',
        why: 'without what the engine has put there: mount points, and files that the network writes',
      },
      steps: [`${made}; docker export $c | tar -t | grep -v ^bin/ | sort`],
    },
    {
      name: 'container cp, commit, export, diff',
      steps: [
        `${made}; echo x >f; docker container cp f $c:/f; docker container diff $c; docker container commit $c $t:1 | wc -c; docker container export $c | tar -t f`,
      ],
    },
  ],
};
