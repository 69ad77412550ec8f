#!/usr/bin/env bash
# Collects the GPU programs of a build, with the shared libraries that a GPU machine may lack, for tests/gpu/run.sh --programs:
#   cmake --preset cuda -DQCFACE_CUDA_ARCHITECTURES=90a -DQCFACE_BUILD_BENCH=ON && cmake --build --preset cuda
#   tests/gpu/pack.sh build/cuda FOLDER
# NVIDIA's libraries and the C library stay behind: the other machine has its own.
set -euo pipefail
build=$(realpath "${1:?usage: pack.sh BUILD FOLDER}")
folder=${2:?usage: pack.sh BUILD FOLDER}
mkdir -p "$folder/lib"
found=0
for program in qcface_conformance qcface_tests_{kernels,nn_elementwise,nn,train}_cuda qcface_bench_head_cuda; do
  [[ -x $build/bin/$program ]] || { echo "left out, not built: $program"; continue; }
  found=$((found + 1))
  strip -o "$folder/$program" "$build/bin/$program"
  ldd "$build/bin/$program" | awk '/=> \// { print $3 }' |
    grep -vE '/lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|cuda|cudart|cublas|cublasLt|cudnn|nccl)[.-]' |
    while read -r library; do cp -uL "$library" "$folder/lib/"; done
done
[[ $found -gt 0 ]] || { echo "$build/bin holds none of the GPU programs: build with CUDA first" >&2; exit 1; }
git -C "$(dirname "$0")" rev-parse --short HEAD >"$folder/COMMIT"
du -sh "$folder"
