#!/usr/bin/env bash
# Installs the system packages that are missing (Debian 12 and 13, Ubuntu 24.04). Names them first, asks for sudo only when
# something is missing and this is not root.
#   third_party/install-packages.sh            what building and running qcface needs
#   third_party/install-packages.sh --tests    and what only the tests need
#   third_party/install-packages.sh --check    only names what is missing (with --tests in front: for the tests)
#
# Where there is a CUDA toolkit it also fetches the headers of cudnn-frontend, one pinned file from PyPI, into
# third_party/downloads. Without them (no network, say) the build goes on: cuDNN's older functions do the convolutions.
set -euo pipefail

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }
tests=false check=false
for argument; do
  case $argument in
    --tests) tests=true ;;
    --check) check=true ;;
    -h | --help) usage; exit 0 ;;
    *) echo "install-packages.sh: unknown argument $argument, expected --tests, --check or --help" >&2; exit 2 ;;
  esac
done

packages=(
  g++ cmake ninja-build
  libdnnl-dev                                                  # convolutions on the CPU
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev  # pictures
  libjpeg-dev libpng-dev libtiff-dev libwebp-dev               # the same formats with damage reports
  zlib1g-dev                                                   # checksums of archives, compressed MAT-files
  libmatio-dev                                                 # lists in MAT-files
  libxxhash-dev                                                # checksums of packed data sets
  librsvg2-dev pkgconf fonts-dejavu-core                       # figures as PNG; the build goes on without
  nlohmann-json3-dev libcli11-dev libspdlog-dev libfmt-dev     # configuration, command line, logging
)
if $tests; then
  packages+=(
    catch2
    doxygen               # tests of the installed library and its reference
    python3               # tests of scripts and documents
    python3-torch         # tests of the PyTorch example and of files for and from PyTorch
    python3-venv          # the Python of install-python.sh
    libboost-context-dev  # tests that run CUDA kernels on the CPU
    clang libclang-rt-dev libomp-dev  # fuzzing
    libopenmpi-dev openmpi-bin        # training with more than one process, over either MPI
    libmpich-dev mpich
    iproute2                          # two hosts in network namespaces
  )
fi

frontend_version=1.32.0
frontend_sha256=c6006556017a4d1c914c52a556c71b1267f2d6a0500f742e7b4edef539878df0  # its wheel for CPython 3.11 on x86-64
frontend_folder=$(cd "$(dirname "$0")" && pwd)/downloads/cudnn-frontend
needs_frontend=false
if command -v nvcc >/dev/null || [[ -x ${CUDA_HOME:-/usr/local/cuda}/bin/nvcc ]]; then
  [[ -f $frontend_folder/$frontend_version ]] || needs_frontend=true
fi
if $needs_frontend && ! python3 -m pip --version >/dev/null 2>&1; then packages+=(python3-pip); fi

# The headers are the same in every wheel; any Python may download this one.
fetch_frontend() {
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  if ! python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
      --abi cp311 --platform manylinux_2_28_x86_64 --dest "$work" "nvidia-cudnn-frontend==$frontend_version"; then
    echo "cudnn-frontend $frontend_version could not be fetched: cuDNN's older functions will do the convolutions" >&2
    return 0
  fi
  local wheel=("$work"/*.whl)
  echo "$frontend_sha256  ${wheel[0]}" | sha256sum --check --quiet ||
    { echo "cudnn-frontend $frontend_version is not the file that was pinned: not used" >&2; return 1; }
  mkdir "$work/unpacked"
  python3 -m zipfile -e "${wheel[0]}" "$work/unpacked"
  rm -rf "$frontend_folder"
  mkdir -p "$frontend_folder"
  cp -r "$work/unpacked/include" "$frontend_folder/"
  cp "$work"/unpacked/*.dist-info/licenses/* "$frontend_folder/"
  touch "$frontend_folder/$frontend_version"
  echo "cudnn-frontend $frontend_version: fetched into third_party/downloads"
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done

if $check && $needs_frontend; then
  echo "cudnn-frontend $frontend_version is missing in third_party/downloads"
fi
if [[ ${#missing[@]} -eq 0 ]]; then
  echo "system packages: all ${#packages[@]} are installed"
  if $needs_frontend; then
    $check && exit 1
    fetch_frontend
  fi
  exit 0
fi
echo "system packages missing: ${missing[*]}"
$check && exit 1

if ! command -v apt-get >/dev/null; then
  echo "this machine has no apt-get: install the packages above by hand, then run the command again" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "neither root nor sudo: ask an administrator to install the packages above" >&2; exit 1; }
  echo "installing them needs sudo"
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
if $needs_frontend; then fetch_frontend; fi
