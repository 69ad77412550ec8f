#!/usr/bin/env bash
# Installs the system packages that building and testing need (Debian 12, Ubuntu 24.04). Names them first, asks
# for sudo only when something is missing and this is not root. --check only names what is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build
  libdnnl-dev                                                  # convolutions on the CPU
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev  # pictures
  libjpeg-dev                                                  # JPEG with damage reports
  nlohmann-json3-dev libcli11-dev libspdlog-dev libfmt-dev     # configuration, command line, logging
  catch2                                                       # tests
  pkgconf doxygen                                              # tests of the installed library and its reference
  python3-torch                                                # test of the PyTorch example
  libboost-context-dev                                         # tests that run CUDA kernels on the CPU
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done

if [[ ${#missing[@]} -eq 0 ]]; then
  echo "system packages: all ${#packages[@]} are installed"
  exit 0
fi
echo "system packages missing: ${missing[*]}"
[[ ${1:-} == --check ]] && exit 1

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
