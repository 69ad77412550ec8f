#!/usr/bin/env bash
# Makes the Python that tests compare files and figures with, in third_party/downloads/python: PyTorch, ONNX Runtime, the ONNX checker,
# safetensors, SciPy, scikit-learn, OpenCV. Only tests use it. Quick when it is there already; where it cannot be made (no network), a sentence says so, the
# tests that need it are skipped, and the exit status is 0.
#
# PyPI's PyTorch for Linux requires the CUDA libraries, which are gigabytes, and PyPI has no smaller build for CPUs. So PyTorch
# and NumPy are Debian's (install-packages.sh --tests), which the virtual environment sees, and the rest is PyPI's, in versions
# that take Debian's NumPy.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

packages=(onnx==1.18.0 onnxruntime==1.22.1 safetensors==0.5.3 scipy==1.13.1 scikit-learn==1.5.2 opencv-python-headless==4.10.0.84)
folder=$(cd "$(dirname "$0")" && pwd)/downloads/python
system=/usr/bin/python3
wanted="$("$system" --version 2>&1) ${packages[*]}"

if [[ -f $folder/wanted && $(<"$folder/wanted") == "$wanted" ]]; then
  echo "Python for tests: present in third_party/downloads/python"
  exit 0
fi
give_up() {
  echo "Python for tests: $1; the tests that need it are skipped" >&2
  rm -rf "$folder"
  exit 0
}
numpy=$("$system" -c 'import numpy; print(numpy.__version__)' 2>/dev/null) || give_up "NumPy is missing for $system"
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
"$system" -m venv --system-site-packages "$folder" >/dev/null || give_up "$system -m venv failed (package python3-venv)"
"$folder/bin/python3" -m pip install --quiet --disable-pip-version-check --only-binary=:all: "numpy==$numpy" "${packages[@]}" ||
  give_up "PyPI did not give ${packages[*]}"
"$folder/bin/python3" -c 'import onnx, onnxruntime, safetensors.numpy, scipy.stats, sklearn.metrics, cv2' || give_up "its packages do not import"
printf '%s\n' "$wanted" >"$folder/wanted"
echo "Python for tests: ${packages[*]} in third_party/downloads/python"
