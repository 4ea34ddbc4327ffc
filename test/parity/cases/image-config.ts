/** What an image's configuration says, and what flags override. */
import type { Section } from '../parity-case.js';

export const IMAGE_CONFIG: Section = {
  title: 'images: what their configuration says',
  cases: [
    {
      name: 'Entrypoint and Cmd',
      steps: [
        'docker run --rm $full',
        'docker run --rm $full c d',
        'docker run --rm --entrypoint printf $full "<%s>" x',
        'docker run --rm --entrypoint ls $full',
        'docker run --rm --entrypoint "" $full echo none',
        'docker run --rm --entrypoint "" $full',
        'docker create --name $c $full >/dev/null; docker inspect -f "{{.Path}} {{.Args}} {{json .Config.Entrypoint}} {{json .Config.Cmd}}" $c',
        'docker create --name $c-b --entrypoint x $full >/dev/null; docker inspect -f "{{.Path}} {{.Args}} {{json .Config.Entrypoint}} {{json .Config.Cmd}}" $c-b',
      ],
    },
    {
      name: 'Env',
      steps: [
        'docker run --rm --entrypoint env -h h $full | sort',
        'docker run --rm --entrypoint env -h h -e A=2 -e C=3 $full | sort',
        'docker run --rm --entrypoint env -h h -e A= -e B $full | sort',
        'printf "A=file\\nD=4\\n" >e; docker run --rm --entrypoint env -h h --env-file e -e D=5 $full | sort',
        'docker create --name $c -e A=2 $full >/dev/null; docker inspect -f "{{json .Config.Env}}" $c',
      ],
    },
    {
      name: 'WorkingDir',
      steps: [
        'docker run --rm --entrypoint pwd $full',
        'docker run --rm --entrypoint pwd -w /tmp $full',
        'docker run --rm --entrypoint sh -w /new/dir $full -c "pwd; stat -c %u:%g:%a /new/dir"',
        'docker run --rm --entrypoint pwd -w relative $full',
        'docker run -d --name $c --entrypoint sleep $full 60 >/dev/null; docker exec $c pwd; docker exec -w / $c pwd',
      ],
    },
    {
      name: 'User',
      steps: [
        'docker run --rm --entrypoint id $full',
        'docker run --rm --entrypoint id -u 0 $full',
        'docker run --rm --entrypoint id -u www-data $full',
        'docker run --rm --entrypoint id -u www-data:44 $full',
        'docker run --rm --entrypoint sh -u 77 $full -c "id -u; id -g; echo $HOME"',
        'docker run --rm --entrypoint id -u nosuch $full',
        'docker run --rm --entrypoint id --group-add 7 $full',
        'docker run -d --name $c --entrypoint sleep $full 60 >/dev/null; docker exec $c id -u; docker exec -u 0 $c id -u',
        'docker run --rm --entrypoint sh $full -c "echo x >/etc/x"; docker run --rm --entrypoint sh $full -c "grep CapEff /proc/self/status"',
      ],
    },
    {
      name: 'Volumes',
      steps: [
        'docker run --rm --entrypoint sh $full -c "cat /vol/file; stat -c %u:%g:%a /vol /vol/sub; readlink /vol/link; grep -c \' /vol \' /proc/mounts"',
        "docker create --name $c $full >/dev/null; docker inspect -f '{{range .Mounts}}{{.Type}} {{len .Name}} {{.Destination}} {{.Driver}} {{.RW}} {{.Mode}}|{{.Propagation}}{{end}} {{json .Config.Volumes}}' $c",
        "docker create --name $c-b -v $v:/vol $full >/dev/null; docker inspect -f '{{range .Mounts}}{{.Name}} {{.Destination}} {{.Mode}}{{end}} {{json .Config.Volumes}}' $c-b",
        "docker create --name $c-c -v $d:/vol $full >/dev/null; docker inspect -f '{{len .Mounts}} {{range .Mounts}}{{.Type}}{{end}} {{json .Config.Volumes}}' $c-c",
        "docker create --name $c-d --tmpfs /vol $full >/dev/null; docker inspect -f '{{len .Mounts}}' $c-d",
        'docker rm -v $c $c-b $c-c $c-d',
      ],
    },
    {
      name: 'ExposedPorts',
      steps: [
        "docker create --name $c --expose 90 $full >/dev/null; docker inspect -f '{{json .Config.ExposedPorts}}' $c",
        'docker run -d --name $c-b -P --entrypoint sleep $full 60 >/dev/null; docker port $c-b | grep -v "\\[" | sed "s/:[0-9]*$/:PORT/" | sort',
      ],
    },
    {
      name: 'StopSignal',
      steps: [
        'docker run -d --name $c --entrypoint sh $full -c \'trap "echo usr1; exit 3" USR1; trap "exit 4" TERM; echo ready; while :; do sleep 0.1; done\' >/dev/null; logged $c ready; docker stop $c; docker logs $c; docker inspect -f \'{{.State.ExitCode}} {{.Config.StopSignal}}\' $c',
        "docker create --name $c-b --stop-signal INT $full >/dev/null; docker inspect -f '{{.Config.StopSignal}}' $c-b",
      ],
    },
    {
      name: 'Healthcheck',
      steps: [
        "docker create --name $c $full >/dev/null; docker inspect -f '{{json .Config.Healthcheck}}' $c",
        "docker create --name $c-c --health-cmd false $full >/dev/null; docker inspect -f '{{json .Config.Healthcheck}}' $c-c",
        "docker create --name $c-d --health-interval 5s $full >/dev/null; docker inspect -f '{{json .Config.Healthcheck}}' $c-d",
        "docker run -d --name health-$c --entrypoint sleep $full 60 >/dev/null; docker inspect -f '{{.State.Health.Status}}' health-$c; docker rm -f health-$c",
      ],
    },
    {
      name: '--no-healthcheck in inspect',
      steps: [
        "docker create --name $c --no-healthcheck $full >/dev/null; docker inspect -f '{{json .Config.Healthcheck}}' $c",
      ],
      verdict: { is: 'differs', why: 'there is none, and not one that is called NONE' },
    },
    {
      name: 'Labels',
      steps: [
        "docker create --name $c -l one=changed -l three=3 $full >/dev/null; docker inspect -f '{{json .Config.Labels}}' $c",
        'docker ps -a --filter label=two --filter name=$c --format \'{{.Names}} {{.Label "one"}}\'',
      ],
    },
    {
      name: 'the names of the image in views of containers',
      steps: [
        'docker tag $base $t:1; docker create --name $c $t:1 true >/dev/null; docker create --name $c-b $(docker images -q $t:1) true >/dev/null',
        "docker ps -a --filter name=$c --format '{{.Names}} {{.Image}}' | sort | sed 's/[0-9a-f]\\{12\\}$/SHORT/'",
        "docker inspect -f '{{.Image}} {{.Config.Image}}' $c | sed 's/ .*image:1/ NAME/'",
        'docker ps -a --filter ancestor=$t:1 --format "{{.Names}}" | grep $c | sort',
        'docker ps -a --filter ancestor=nosuch --format "{{.Names}}"',
      ],
    },
    {
      name: 'an image without a command',
      steps: [
        'echo x >f; tar -c f | docker import - $t:1 >/dev/null; docker run --rm $t:1',
        'docker create --name $c $t:1',
        'docker run --rm $t:1 sh',
        'docker run --rm $t:1 /f',
      ],
    },
    {
      name: 'images that cannot be',
      steps: [
        'docker run --rm UPPER true',
        'docker run --rm "" true',
        'docker run --rm "$t:a b" true',
        'docker run --rm "$base@x" true',
      ],
    },
  ],
};
