#!/usr/bin/env bash
# The first day of a user: a fresh root of Debian or Ubuntu with git and nothing else, a clone, the two commands of the README.
# Run by hand, as root, with a network; takes about half an hour a suite on two cores.
#   tests/bare_root.sh [SUITE]                 ./quickstart.sh, then ./test.sh
#   tests/bare_root.sh [SUITE] COMMAND ...     these instead, each a line for sh in the clone
# SUITE: bookworm (Debian 12, the default), trixie (Debian 13) or noble (Ubuntu 24.04). The clone is what is committed here.
# QCFACE_BARE_ROOTS: where roots are kept, default build/bare. A root is made once; every call works on a copy of it, and
# leaves the copy and the output (SUITE-day.log) for a look.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)

stop() { echo "bare_root.sh: $1" >&2; exit 1; }
suite=bookworm
case ${1:-} in bookworm | trixie | noble) suite=$1; shift ;; esac
[[ $# -gt 0 ]] || set -- ./quickstart.sh ./test.sh
source "$root/tests/support/bare_root.sh"

make_root "$roots/$suite-user" git,ca-certificates
base=$roots/$suite-day
log=$base.log
rm -rf "$base"
cp -a "$roots/$suite-user" "$base"
cp /etc/resolv.conf "$base/etc/resolv.conf"
git -c safe.directory='*' clone --quiet --no-hardlinks "$root" "$base/root/qcface"
[[ $suite != noble ]] || echo "deb https://archive.ubuntu.com/ubuntu noble main universe" >"$base/etc/apt/sources.list"
# Packages fetched for one call serve the next.
packages=$roots/$suite-packages
mkdir -p "$packages/partial"
export packages
mounts() { mount --bind "$packages" "$base/var/cache/apt/archives"; }
for command; do
  echo "== $suite: $command"
  begin=$SECONDS
  inside "cd /root/qcface && $command" mounts >>"$log" 2>&1 || { tail -n 60 "$log"; stop "$suite: '$command' failed; see $log"; }
  printf '%s: %d min %02d s\n' "$command" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
done
grep -E '^(accuracy|cosine|[0-9]+% tests passed)|[0-9]+ tests failed|best 10-fold|  *10-fold' "$log" | tail -n 8 || true
echo "$suite: all of it passed; what was said is in $log"
