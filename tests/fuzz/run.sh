#!/usr/bin/env bash
# Fuzzes the readers of foreign bytes with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#   tests/fuzz/run.sh SECONDS [NAME...]     each target (default: all) for so long, after building the preset fuzz
#
# What was learnt stays in build/fuzz/corpus and is gone on with the next time; what was found is put in build/fuzz/findings.
# QCFACE_FUZZ_JOBS: targets at a time (default: the number of processors). QCFACE_REAL_DATA: further seeds, as for the tests.
# Exit status: 0 nothing found, 1 a finding, 2 the call was wrong.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  '' | *[!0-9]*) usage >&2; exit 2 ;;
esac
seconds=$1
shift

# With -print_final_stats libFuzzer says how many inputs were tried. Memory: no single allocation above 256 MiB, and the
# whole process within the target's limit, so that a length that a file claims cannot become memory.
if [[ ${QCFACE_FUZZ_ONE:-} ]]; then
  IFS='|' read -r name memory longest _ <<<"$QCFACE_FUZZ_ONE"
  export ASAN_OPTIONS=quarantine_size_mb=16:allocator_may_return_null=1:${ASAN_OPTIONS:-}
  export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
  mkdir -p "corpus/$name" "findings/$name" logs
  "bin/qcface_fuzz_$name" "corpus/$name" "seeds/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb="$memory" \
    -malloc_limit_mb=256 -max_len="$longest" -artifact_prefix="findings/$name/" -print_final_stats=1 -verbosity=1 -entropic=0 \
    >"logs/$name" 2>&1 && status=good || status=FOUND
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "logs/$name")
  echo "$name ${count:-0} $status" >>results
  printf '%-14s %12s executions   %s\n' "$name" "${count:-0}" "$status"
  exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/fuzz
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$probe/probe.cpp"
if ! clang++ -fopenmp -fsanitize=fuzzer,address,undefined "$probe/probe.cpp" -o "$probe/probe" >"$probe/log" 2>&1; then
  cat "$probe/log" >&2
  echo "[qcface-skip] clang with libFuzzer is missing: install clang, libclang-rt-dev and libomp-dev"
  exit 0
fi

cd "$root"
cmake --preset fuzz >"$probe/log" 2>&1 || { cat "$probe/log" >&2; exit 1; }
cmake --build --preset fuzz >"$probe/log" 2>&1 || { cat "$probe/log" >&2; exit 1; }
mapfile -t table <"$build/fuzz-targets.txt"
chosen=()
for name in "$@"; do
  row=$(grep -m1 "^$name|" "$build/fuzz-targets.txt") ||
    { echo "run.sh: there is no target $name; there are: $(cut -d'|' -f1 "$build/fuzz-targets.txt" | tr '\n' ' ')" >&2; exit 2; }
  chosen+=("$row")
done
[[ $# -gt 0 ]] || chosen=("${table[@]}")

cd "$build"
real=${QCFACE_REAL_DATA:-$root/../shared/data}
shopt -s nullglob
for row in "${chosen[@]}"; do
  IFS='|' read -r name _ longest patterns <<<"$row"
  rm -rf "seeds/$name" "findings/$name"
  mkdir -p "seeds/$name"
  read -ra patterns <<<"$patterns"
  files=("$here/seeds/$name"/* "$here/regressions/$name"/*)
  for pattern in "${patterns[@]}"; do
    # Unquoted: these are patterns.
    if [[ $pattern == real:* ]]; then files+=("$real"/${pattern#real:}); else files+=("$root/tests/data/vectors"/$pattern); fi
  done
  for file in "${files[@]}"; do
    # libFuzzer would cut what is longer, and a cut file mostly teaches that it is cut.
    if [[ $(stat -c %s "$file") -le $longest ]]; then cp "$file" "seeds/$name/$(cksum <"$file" | cut -d' ' -f1)-${file##*/}"; fi
  done
done

rm -f results
export seconds
begin=$SECONDS
printf '%s\0' "${chosen[@]}" |
  xargs -0 -P "${QCFACE_FUZZ_JOBS:-$(nproc)}" -I{} env QCFACE_FUZZ_ONE={} seconds="$seconds" "$here/run.sh" "$seconds"
awk -v s=$((SECONDS - begin)) '{n += $2} END {printf "%d targets, %d executions in %d s\n", NR, n, s}' results
[[ $(wc -l <results) -eq ${#chosen[@]} ]] || { echo "run.sh: a target did not come to its end" >&2; exit 1; }
found=0
while read -r name _ status; do
  [[ $status == FOUND ]] || continue
  found=1
  echo
  echo "$name:"
  grep -aE -A12 'ERROR: |runtime error: |^fuzz: |SUMMARY' "logs/$name" | head -40 || true
  echo "  the input: $(echo "$build/findings/$name"/*)"
done <results
if [[ $found == 1 ]]; then
  echo
  echo "Mend it, and keep the input in tests/fuzz/regressions/NAME/: it is replayed by every build's tests."
fi
exit $found
