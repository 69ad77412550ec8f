#!/usr/bin/env bash
# What a machine sees that has nothing of ours: a fresh root of Debian or Ubuntu, made by debootstrap and kept for the next
# call, with the CUDA toolkit mounted read-only. Run by hand, as root, with a network; no GPU is needed.
#   tests/gpu/bare_root.sh source [SUITE] [TARGET]   configures the kernel library with the suite's own compiler, CMake and
#                                                    Ninja and builds TARGET (default qcface_conformance; all builds all)
#   tests/gpu/bare_root.sh archive [SUITE] ARCHIVE   unpacks what pack.sh made, starts every program, and asks which of
#                                                    NVIDIA's libraries are found: in the toolkit, then laid out as Python's
#                                                    nvidia packages lay them
# SUITE: bookworm (Debian 12, the default) or noble (Ubuntu 24.04). QCFACE_BARE_ROOTS: where roots are kept, default
# build/bare; QCFACE_CUDA_ROOT: the toolkit, default /usr/local/cuda.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
here=$(cd "$(dirname "$0")" && pwd)
root=${here%/tests/gpu}
export toolkit root
toolkit=$(realpath "${QCFACE_CUDA_ROOT:-/usr/local/cuda}")

stop() { echo "bare_root.sh: $1" >&2; exit 1; }
what=${1:-}
shift || true
[[ $what == source || $what == archive ]] || stop "say source or archive (see the head of this file)"
suite=bookworm
case ${1:-} in bookworm | noble) suite=$1; shift ;; esac
source "$root/tests/support/bare_root.sh"

if [[ $what == source ]]; then
  target=${1:-qcface_conformance}
  base=$roots/$suite-source
  make_root "$base" g++,cmake,ninja-build
  mounts() { read_only "$toolkit" "$base/usr/local/cuda"; read_only "$root" "$base/source"; }
  inside '
    cmake --version | head -1
    rm -rf /build
    echo "== CUDA by itself"
    cmake -S /source -B /build -G Ninja -DQCFACE_KERNELS_ONLY=ON -DQCFACE_CUDA_ARCHITECTURES=90a >/configure.log 2>&1 ||
      { cat /configure.log; exit 1; }
    tail -n 4 /configure.log
    grep -q "CUDA ON" /configure.log || { echo "the toolkit was not taken"; exit 1; }
    echo "== CUDA demanded"
    cmake -S /source -B /build -DQCFACE_CUDA=ON >/configure.log 2>&1 || { cat /configure.log; exit 1; }
    cmake --build /build --target '"$target"' >/build.log 2>&1 || { tail -n 40 /build.log; exit 1; }
    tail -n 1 /build.log
    status=0; /build/bin/qcface_conformance || status=$?
    [ $status -eq 77 ] || { echo "qcface_conformance: exit status $status, expected 77"; exit 1; }' mounts
  echo "source: configures and builds in a bare $suite"
  exit 0
fi

archive=$(realpath "${1:?which archive? (see the head of this file)}")
base=$roots/$suite-archive
make_root "$base" xz-utils
rm -rf "$base/carried" "$base/usr/local/cuda" "$base/opt"
mkdir -p "$base/carried"
cp "$archive" "$base/carried/qcface-gpu.tar.xz"

# Every program starts, says that there is no GPU, and leaves with 0 (test programs, which skip) or 77.
start_all='
  cd /carried
  rm -rf qcface-gpu && tar xf qcface-gpu.tar.xz
  cd qcface-gpu
  export QCFACE_TEST_DATA=$PWD/tests/data
  for program in programs/qcface_*; do
    status=0; timeout 120 $program >/carried/log 2>&1 || status=$?
    said=$(grep -iE "no (usable )?(GPU|CUDA device)" /carried/log | sort | uniq -c | sort -rn | head -1 || true)
    echo "$program: $status,$said"
    if [ $status -ne 0 ] && [ $status -ne 77 ] || [ -z "$said" ]; then
      tail -n 20 /carried/log; exit 1
    fi
  done
  programs/qcface_tests_nn_cuda -s "libraries: cuDNN and cuBLASLt*" >/carried/log 2>&1 || { tail -n 20 /carried/log; exit 1; }
  grep "^found" /carried/log || true
  [ $(grep -c "^found" /carried/log) -eq $expected ] || { echo "expected to find $expected libraries of NVIDIA"; exit 1; }
  status=0; tests/gpu/run.sh --out /carried/results || status=$?
  echo "run.sh: $status"
  [ $status -eq 77 ] || exit 1'

in_toolkit() { read_only "$toolkit" "$base/usr/local/cuda"; }
# As pip would: an environment on PATH, not in VIRTUAL_ENV; CUDA 13 shares one folder, cuDNN and NCCL have their own.
as_packages() {
  local packages=$base/usr/local/lib/python3.12/site-packages/nvidia file part
  rm -rf "$base/usr/local/cuda" "$base/usr/local/lib/python3.12"
  read_only "$toolkit/lib64" "$base/opt/libraries"
  for file in "$base"/opt/libraries/lib*.so*; do
    file=${file##*/}
    case $file in libcudnn*) part=cudnn ;; libnccl*) part=nccl ;; *) part=cu13 ;; esac
    mkdir -p "$packages/$part/lib"
    ln -s "/opt/libraries/$file" "$packages/$part/lib/$file"
  done
  printf '#!/bin/sh\nexit 1\n' >"$base/usr/local/bin/python3"
  chmod +x "$base/usr/local/bin/python3"
}
none() { rm -rf "$base/usr/local/cuda" "$base/usr/local/lib/python3.12" "$base/usr/local/bin/python3"; }

none
echo "== $suite, the toolkit in /usr/local/cuda"
inside "expected=2;$start_all" in_toolkit
echo "== $suite, Python's nvidia packages"
inside "expected=2;$start_all" as_packages
echo "== $suite, none of NVIDIA's libraries"
inside "expected=0;$start_all" none
none
echo "archive: runs in a bare $suite"
