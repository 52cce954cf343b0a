# The part that bin/etcd, bin/etcdutl and bin/etcd-cluster share: finds Node.js and the compiled
# program, and becomes it. Sourced with `root` (the installation) and `tool` (the program) set;
# `program` is the file to run.

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
# A larger nursery lets requests die young; the old generation grows in smaller steps. Why these
# values: docs/internals/performance.md.
set -- --max-semi-space-size=32 --heap-growing-percent=60 "$program" "$@"
if [ "$heap" -ge 512 ]; then
  exec "$node" "--max-old-space-size=$heap" "$@"
fi
exec "$node" "$@"
