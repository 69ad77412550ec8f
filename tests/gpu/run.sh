#!/usr/bin/env bash
# Everything that needs a GPU, in one command: builds for this machine's GPU (or takes programs built elsewhere), runs the
# conformance test of the instruction wrappers, all GPU tests, a short training run against the CPU's curve and the
# benchmarks, and writes one JSON file.
#   tests/gpu/run.sh                          build in build/gpu, run all, write bench/results/<gpu>-<commit>.json
#   tests/gpu/run.sh --programs DIR           run programs built on another machine (tests/gpu/pack.sh makes DIR)
#   tests/gpu/run.sh --out FILE               where the JSON goes
#   tests/gpu/run.sh --sanitizer              the tests once more under compute-sanitizer (memcheck, racecheck)
#   tests/gpu/run.sh --record FOLDER          keep the raw outputs of the instructions as fixtures
# Needs CUDA 13. cuBLASLt, cuDNN and NCCL are looked for in the toolkit and among Python's nvidia packages. Without OpenCV,
# oneDNN or the other libraries of the harness only the kernel library is built and tested; without Catch2 only the
# conformance test and the benchmark of the head run. Exit status: 0 all passed, 77 no GPU, 1 otherwise.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

programs= out= record= sanitizer=no
while [[ $# -gt 0 ]]; do
  case $1 in
    --programs) programs=$(realpath "${2:?--programs needs a folder}"); shift 2 ;;
    --out) out=${2:?--out needs a file}; shift 2 ;;
    --record) record=${2:?--record needs a folder}; shift 2 ;;
    --sanitizer) sanitizer=yes; shift ;;
    *) echo "run.sh: unknown argument '$1' (see the head of this file)" >&2; exit 1 ;;
  esac
done

say() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

if ! command -v nvidia-smi >/dev/null || ! gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1) \
   || [[ -z $gpu ]]; then
  echo "run.sh: no GPU here (nvidia-smi lists none); nothing was run" >&2
  exit 77
fi
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1)
architecture=${capability/./}
[[ $architecture == 90 ]] && architecture=90a
PATH=$PATH:/usr/local/cuda/bin
cuda=$(nvcc --version 2>/dev/null | sed -n 's/.*release [0-9.]*, V//p')
commit=$(git rev-parse --short HEAD 2>/dev/null || cat "${programs:-$root}/COMMIT" 2>/dev/null || echo unknown)
[[ -n $(git status --porcelain 2>/dev/null) ]] && commit+=-modified
cores=$(nproc)
echo "$gpu, driver $driver, compute capability $capability, CUDA ${cuda:-not installed}, $cores cores, commit $commit"

# Folders with NVIDIA's libraries, from Python's packages too.
libraries=()
for folder in /usr/local/cuda/lib64 $(python3 - 2>/dev/null <<'PYTHON'
import glob, os, sysconfig, site
roots = {sysconfig.get_paths()["purelib"], *site.getsitepackages()}
for root in roots:
    for folder in glob.glob(os.path.join(root, "nvidia", "*", "lib")):
        print(folder)
PYTHON
); do [[ -d $folder ]] && libraries+=("$folder"); done
QCFACE_LIBRARY_PATH=$(IFS=:; echo "${libraries[*]}")
export QCFACE_LIBRARY_PATH LD_LIBRARY_PATH="$QCFACE_LIBRARY_PATH${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
cudnn=$(ls "${libraries[@]}" 2>/dev/null | sed -n 's/^libcudnn\.so\.\([0-9.]*\)$/\1/p' | sort -V | tail -1)

started=$(date +%s)
steps=()   # "name status seconds"
failed=0
step() {  # step NAME COMMAND...: runs, times and remembers
  local name=$1; shift
  say "$name"
  local begin; begin=$(date +%s)
  "$@"; local status=$?
  steps+=("$name|$status|$(($(date +%s) - begin))")
  if [[ $status -eq 77 ]]; then echo "$name: skipped"; elif [[ $status -ne 0 ]]; then echo "$name: FAILED ($status)"; failed=1; fi
  return 0
}

if [[ -z $programs ]]; then
  programs=$root/build/gpu/bin
  rooms=all
  cmake --version >/dev/null || { echo "run.sh: cmake is missing" >&2; exit 1; }
  configure=(cmake -S . -B build/gpu -DCMAKE_BUILD_TYPE=Release -DQCFACE_CUDA=ON "-DQCFACE_CUDA_ARCHITECTURES=$architecture"
             -DQCFACE_BUILD_BENCH=ON)
  command -v ninja >/dev/null && configure+=(-G Ninja)
  say "configure"
  if ! "${configure[@]}" >build-gpu.log 2>&1; then
    rooms=kernels
    echo "libraries of the harness are missing here; only the kernel library is built:"
    grep -A3 'CMake Error' build-gpu.log | head -4
    rm -rf build/gpu
    "${configure[@]}" -DQCFACE_KERNELS_ONLY=ON || exit 1
  fi
  rm -f build-gpu.log
  step "build ($rooms)" cmake --build build/gpu -j "$cores"
  [[ $failed -eq 0 ]] || exit 1
else
  export LD_LIBRARY_PATH="$programs/lib:$LD_LIBRARY_PATH"
fi
has() { [[ -x $programs/$1 ]]; }

conformance=("$programs/qcface_conformance")
if [[ -n $record ]]; then mkdir -p "$record"; conformance+=(--record "$record/$(echo "$gpu" | tr ' ' '-').json"); fi
step "conformance of the instructions" "${conformance[@]}"
for tests in kernels nn_elementwise nn train; do
  program=qcface_tests_${tests}_cuda
  has $program || { echo "$program is not among the programs: its libraries (Catch2, the harness') were missing"; continue; }
  step "$program" "$programs/$program"
  if [[ $sanitizer == yes ]]; then
    for tool in memcheck racecheck; do
      step "$program under $tool" compute-sanitizer --tool $tool --error-exitcode 1 "$programs/$program" '~[slow]'
    done
  fi
done
head_json=$(mktemp)
# Three heads in place of all: with guidance, without it, and with hard negatives.
has qcface_bench_head_cuda && step "benchmark of the head" timeout 240 "$programs/qcface_bench_head_cuda" \
  --heads qcface,arcface,curricular --n 512 --k 93431,1000000,2059906 --seconds 0.3 --warmup 0.1 --json "$head_json"

out=${out:-bench/results/$(echo "$gpu" | tr ' ' '-')-$commit.json}
mkdir -p "$(dirname "$out")"
{
  printf '{"gpu": "%s", "driver": "%s", "cuda": "%s", "cudnn": "%s", "commit": "%s", "cores": %d, "seconds": %d,\n' \
    "$gpu" "$driver" "$cuda" "$cudnn" "$commit" "$cores" $(($(date +%s) - started))
  printf ' "command": "tests/gpu/run.sh", "date": "%s",\n "steps": [' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  comma=
  for entry in "${steps[@]}"; do
    IFS='|' read -r name status seconds <<<"$entry"
    printf '%s\n  {"name": "%s", "status": %d, "seconds": %d}' "$comma" "$name" "$status" "$seconds"
    comma=,
  done
  printf '],\n "head": '
  if [[ -s $head_json ]]; then cat "$head_json"; else echo null; fi
  echo '}'
} >"$out"
rm -f "$head_json"
say "done: $([[ $failed -eq 0 ]] && echo 'all passed' || echo 'SOMETHING FAILED'), written to $out"
exit $failed
