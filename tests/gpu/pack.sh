#!/usr/bin/env bash
# Makes one archive of everything that a machine with an H100 needs to run tests/gpu/run.sh: the GPU programs, the test data,
# the scripts. Built for compute capability 9.0 alone and without source lines (preset gpu-pack).
#   tests/gpu/pack.sh [ARCHIVE]          default build/qcface-gpu.tar.xz
#   tests/gpu/pack.sh --build BUILD [ARCHIVE]   packs what BUILD holds and builds nothing
# There, on Debian 12, Ubuntu 24.04 or later, with CUDA 13's driver, and cuBLAS and cuDNN in /usr/local/cuda or among
# Python's nvidia packages:
#   tar xf qcface-gpu.tar.xz && qcface-gpu/tests/gpu/run.sh --out results --budget 480
# (Without xz: python3 -c 'import tarfile; tarfile.open("qcface-gpu.tar.xz").extractall()'.)
# The C library, the driver and NVIDIA's libraries stay behind. Everything else that the programs want lies in programs/lib,
# the C++ runtime too: oneDNN needs it as a library, and a process should not have two.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
root=$(cd "$(dirname "$0")/../.." && pwd)
limit_mib=40

build=''
if [[ ${1:-} == --build ]]; then
  build=$(realpath "${2:?--build needs a folder}")
  shift 2
fi
archive=$(realpath -m "${1:-$root/build/qcface-gpu.tar.xz}")
if [[ -z $build ]]; then
  build=$root/build/gpu-pack
  (cd "$root" && cmake --preset gpu-pack >/dev/null && cmake --build --preset gpu-pack)
fi

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
pack=$staging/qcface-gpu
mkdir -p "$pack/programs/lib"
shopt -s nullglob
for program in "$build"/bin/qcface_conformance "$build"/bin/qcface_*_cuda; do
  strip -o "$pack/programs/${program##*/}" "$program"
  ldd "$program" | awk '/=> \// { print $3 }' |
    { grep -vE '/(lib(c|m|dl|rt|pthread|resolv|cuda|cudart|cublas|cublasLt|cudnn|nccl)|ld-linux-x86-64)\.so' || true; } |
    while read -r library; do
      [[ -e $pack/programs/lib/${library##*/} ]] || strip --strip-unneeded -o "$pack/programs/lib/${library##*/}" "$library"
    done
done
packed=("$pack"/programs/qcface_*)
if [[ ${#packed[@]} -eq 0 ]]; then
  echo "$build/bin holds none of the GPU programs: build with CUDA first" >&2
  exit 1
fi

commit=$(git -C "$root" rev-parse --short HEAD)
[[ -z $(git -C "$root" status --porcelain) ]] || commit+=-modified
echo "$commit" >"$pack/programs/COMMIT"
cp "$pack/programs/COMMIT" "$pack/COMMIT"
nvcc=$(sed -n 's/^CUDAToolkit_NVCC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
"${nvcc:-nvcc}" --version | sed -n 's/.*release [0-9.]*, V//p' >"$pack/programs/CUDA"
(cd "$root" && git ls-files tests/data tests/gpu bench | grep -E '^tests/data/|\.(sh|py)$|skips-by-design' | tar -cf - -T -) |
  tar -xf - -C "$pack"

mkdir -p "$(dirname "$archive")"
tar -C "$staging" --sort=name --owner=0 --group=0 -cf - qcface-gpu | xz -T0 -6 >"$archive"
size=$(stat -c %s "$archive")
du -sh --apparent-size "$pack/programs"/* "$pack/programs/lib"/* "$pack/tests" "$pack/bench" | sed "s|$pack/||"
printf '%s: %.1f MiB, commit %s\n' "$archive" "$(awk "BEGIN { print $size / 1048576 }")" "$commit"
if [[ $size -gt $((limit_mib << 20)) ]]; then
  echo "pack.sh: more than $limit_mib MiB is too much to carry; the list above says what takes the room" >&2
  exit 1
fi
