# The part that the programs share: finds Node.js and the compiled program, and becomes it. Sourced
# with `root` (the installation) and `tool` (the program) set; `program` is the file to run.

# etcd ignores these signals. Node.js keeps that for the real-time ones; those below 32 it resets as
# it begins, and the program ignores them again by src/bin/ignored-signals.ts. The numbers hold on
# Linux alone, other systems have no such signals.
trap '' USR1 USR2 ALRM VTALRM PROF XCPU
if [ -r /proc/self/stat ]; then
  trap '' 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
fi

node=${ETCD_NODE:-node}
unset ETCD_NODE

if ! command -v "$node" >/dev/null 2>&1; then
  echo "$tool: Node.js is missing: '$node' is not on the PATH. Install Node.js 20.19 or newer, or set ETCD_NODE." >&2
  exit 1
fi
if [ ! -f "$program" ]; then
  root=$(cd "$root" && pwd -P)
  echo "$tool: dist/${program##*/dist/} is missing. Run 'npm ci' in $root first." >&2
  exit 1
fi

# SIGUSR1 makes Node.js open a debugger for everybody on this machine, until the program listens to
# the signal itself. Before that it fails on an address that no machine has (RFC 5737).
set -- --inspect-port=192.0.2.1:9229 "$program" "$@"
# The client lives too briefly to need memory.
if [ "$tool" = etcdctl ]; then
  exec "$node" "$@"
fi
# The heap may take three quarters of the memory; Node's own limit is too low for a large index.
memory=0
if [ -r /proc/meminfo ]; then
  while read -r key value unit; do
    if [ "$key" = MemTotal: ]; then
      memory=$((value / 1024))
      break
    fi
  done </proc/meminfo
fi
for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ -r "$file" ] || continue
  read -r bytes <"$file"
  case $bytes in
    *[!0-9]* | '') ;;
    # A number of 17 digits or more means no limit.
    ?????????????????*) ;;
    *)
      limit=$((bytes / 1048576))
      if [ "$limit" -gt 0 ] && { [ "$memory" -eq 0 ] || [ "$limit" -lt "$memory" ]; }; then
        memory=$limit
      fi
      ;;
  esac
done
heap=$((memory * 3 / 4))
# A larger nursery lets requests die young; the old generation grows in smaller steps, but from a
# size at which large values do not set off collections. Why these values:
# docs/internals/performance.md.
set -- --max-semi-space-size=32 --heap-growing-percent=60 --initial-old-space-size=96 "$@"
if [ "$heap" -ge 512 ]; then
  exec "$node" "--max-old-space-size=$heap" "$@"
fi
exec "$node" "$@"
