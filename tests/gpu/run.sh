#!/usr/bin/env bash
# Everything that needs a GPU, in one command and in the order of what a failure would block: the instruction wrappers, all
# GPU tests, the sanitizer, the benchmarks, the profiler.
#
# For a machine with a GPU and a quarter of an hour, on the machine with the compiler:
#   tests/gpu/pack.sh                                    makes build/qcface-gpu.tar.xz; carry it over
# and there, with CUDA 13's driver, cuBLAS, cuDNN in the toolkit or among Python's nvidia packages:
#   tar xf qcface-gpu.tar.xz && qcface-gpu/tests/gpu/run.sh --out results --budget 480
# Then, here: bench/publish.py results.
#
#   tests/gpu/run.sh                          build in build/gpu for this machine's GPU, then the same
#     --programs DIR     take programs built elsewhere (in an unpacked archive its own are taken)
#     --out FOLDER       where everything goes, default build/gpu-results: summary.json, instructions.json, head.json,
#                        head-plans.json, step.json, step-peers.json, convolutions.json, logs.tar.xz (.gz without xz). Written as it
#                        comes: a run that is killed loses only the step in it
#     --budget SECONDS   for all of it, default 3600; what does not fit is listed as "not run"
#     --only STEP,...    conformance, tests (or one of kernels, nn_elementwise, nn, train), sanitizer (memcheck, racecheck),
#                        head, head-plans, step, scoring, peers, convolutions, convolution-peers, head-large, head-peers, profile
#     --limit STEP=SECONDS   another limit for a step; may be given several times
#     --sanitizer        all test programs under memcheck and racecheck too (long: give it a budget)
# Exit status: 0 all passed; 3 nothing failed, but a tool was missing, a step did not fit or a test was skipped; 77 no GPU;
# 1 otherwise. Tests that skip on every GPU are listed in skips-by-design.txt.
set -uo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
command="tests/gpu/run.sh $*"
here=$(cd "$(dirname "$0")" && pwd)
root=${here%/tests/gpu}
source "$here/steps.sh"

stop() { echo "run.sh: $1" >&2; exit 1; }
programs='' out='' sanitizer=no
while [[ $# -gt 0 ]]; do
  [[ $1 == --sanitizer || $# -ge 2 ]] || stop "'$1' is unknown or lacks its value (see the head of this file)"
  case $1 in
    --programs) programs=$(realpath "$2"); shift ;;
    --out) out=${2%/}; shift ;;
    --budget) budget=$2; shift ;;
    --only) IFS=, read -ra only <<<"$2"; shift ;;
    --limit) own_limit[${2%%=*}]=${2#*=}; shift ;;
    --sanitizer) sanitizer=yes ;;
    *) stop "unknown argument '$1' (see the head of this file)" ;;
  esac
  shift
done
known="conformance tests kernels nn_elementwise nn train"
known+=" sanitizer memcheck-conformance memcheck racecheck head head-plans step scoring peers"
known+=" convolutions convolution-peers head-large head-peers profile"
for number in "$budget" "${own_limit[@]}"; do
  [[ $number =~ ^[0-9]+$ ]] || stop "'$number' is no number of seconds"
done
for name in "${only[@]}" "${!own_limit[@]}"; do
  [[ " $known " == *" $name "* ]] || stop "there is no step '$name' (see the head of this file)"
done

if ! command -v nvidia-smi >/dev/null ||
  ! gpu=$(timeout 30 nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1) || [[ -z $gpu ]]; then
  echo "run.sh: no GPU here (nvidia-smi lists none); nothing was run" >&2
  exit 77
fi
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1)
PATH=$PATH:/usr/local/cuda/bin
[[ -z $programs && -d $root/programs ]] && programs=$root/programs
out=${out:-$root/build/gpu-results}
if [[ -e $out/summary.json ]]; then  # figures of two runs must not be mixed
  before=$out-$(date -u -r "$out/summary.json" +%Y%m%dT%H%M%SZ)
  { [[ ! -e $before ]] && mv -T "$out" "$before"; } || stop "$out holds another run: name another folder"
  echo "the run that was in $out is now in $before"
fi
{ mkdir -p "$out" && out=$(realpath "$out"); } || stop "$out: cannot be made"
export QCFACE_PLAN_CACHE=$out/logs  # convolutions are planned once for all programs; the choice is kept with the logs
export QCFACE_TEST_DATA=${QCFACE_TEST_DATA:-$root/tests/data}
date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
carried=${programs:-$root}  # COMMIT and CUDA of programs that were built elsewhere
cuda=$(cat "$carried/CUDA" 2>/dev/null || nvcc --version 2>/dev/null | sed -n 's/.*release [0-9.]*, V//p')
commit=$(cat "$carried/COMMIT" 2>/dev/null || git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -f $carried/COMMIT || -z $(git -C "$root" status --porcelain 2>/dev/null) ]] || commit+=-modified

# Folders with NVIDIA's libraries, of python3's packages too.
libraries=()
for folder in /usr/local/cuda/lib64 $(python3 - 2>/dev/null <<'PYTHON'
import glob, os, site, sys
roots = {*sys.path, *site.getsitepackages(), site.getusersitepackages()}
for root in sorted(roots):
    print(*glob.glob(os.path.join(root, "nvidia", "*", "lib")), sep="\n")
PYTHON
); do [[ -d $folder ]] && libraries+=("$folder"); done
QCFACE_LIBRARY_PATH=$(IFS=:; echo "${libraries[*]}")${QCFACE_LIBRARY_PATH:+:$QCFACE_LIBRARY_PATH}
export QCFACE_LIBRARY_PATH LD_LIBRARY_PATH="$QCFACE_LIBRARY_PATH${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
version_of() {  # version_of LIBRARY FUNCTION: what the library says of itself
  python3 -c "import ctypes; f = ctypes.CDLL('$1').$2; f.restype = ctypes.c_size_t
v = f(); print('%d.%d.%d' % (v // 10000, v // 100 % 100, v % 100))" 2>/dev/null
}
cudnn=$(version_of libcudnn.so.9 cudnnGetVersion)
cublaslt=$(version_of libcublasLt.so.13 cublasLtGetVersion)
echo "$gpu, driver $driver, compute capability $capability, CUDA ${cuda:-unknown}, cuDNN ${cudnn:-unknown}," \
  "cuBLASLt ${cublaslt:-unknown}, $(nproc) cores, commit $commit"
echo "libraries: $QCFACE_LIBRARY_PATH"
[[ $capability == 9.0 || ! -f $carried/COMMIT ]] || echo "these programs were built for compute capability 9.0"

if [[ -z $programs ]]; then
  source "$here/build.sh"
fi

trap 'interrupted=yes; trap "" TERM INT HUP; conclude; exit 1' TERM INT HUP
mkdir -p "$out/logs"
{
  timeout 10 nvidia-smi
  uname -a; cat /etc/os-release; lscpu; free -g; df -h "$out"
  printf '%s\n' "${libraries[@]}"
  ldd "$programs"/qcface_*
  python3 --version; cmake --version; command -v nvcc compute-sanitizer ncu
} >"$out/logs/environment.log" 2>&1
keep_log environment
source "$here/plan.sh"
conclude
exit "$(exit_status)"
