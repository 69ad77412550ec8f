#!/usr/bin/env bash
# Builds and runs the tests.
#   ./test.sh                    the development preset (CUDA if found, warnings are errors): every test
#   ./test.sh asan               another preset: cpu, cuda, dev, asan, tsan
#   ./test.sh dev kernels        only the tests with a label: kernels, core, nn, data, synth, eval, report, train, bench, docs, ...
#   ./test.sh dev kernels -V     further arguments go to ctest
set -euo pipefail
cd "$(dirname "$0")"

case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
preset=dev
label=
if [[ $# -gt 0 && $1 != -* ]]; then preset=$1; shift; fi
if [[ $# -gt 0 && $1 != -* ]]; then label=$1; shift; fi

./third_party/install-packages.sh --tests
./third_party/install-python.sh
jobs=$(nproc)
# A build folder that begins here is compiled in batches; one that you made stays as you made it.
if [[ -d build/$preset ]]; then cmake --preset "$preset"; else cmake --preset "$preset" -DQCFACE_UNITY=ON; fi
cmake --build --preset "$preset" -j "$jobs"
exec ctest --preset "$preset" -j "$jobs" ${label:+-L "^$label\$"} "$@"
