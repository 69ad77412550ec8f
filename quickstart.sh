#!/usr/bin/env bash
# From a fresh clone to a trained, evaluated face recognition model on a machine without a GPU: installs missing
# system packages, builds, draws a face set, trains a small backbone with QCFace, evaluates it, writes a report.
#   ./quickstart.sh [RUN_FOLDER]     default: runs/quickstart
set -euo pipefail
cd "$(dirname "$0")"

case ${1:-} in
  -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) echo "quickstart.sh: unknown argument $1, expected a run folder or --help" >&2; exit 2 ;;
esac
run=${1:-runs/quickstart}
faces=.quickstart/faces
qcface=build/quickstart/bin/qcface
if [[ -d $run/checkpoints || -d $run/start ]]; then
  echo "$run holds a run already: remove it, or name another folder: ./quickstart.sh runs/another" >&2
  exit 1
fi

step() { printf '\n== %s\n' "$*"; }

step "1/4 system packages"
./third_party/install-packages.sh
step "2/4 build"
cmake --preset quickstart >/dev/null
cmake --build --preset quickstart --target qcface -j "$(nproc)"
step "3/4 faces"
"$qcface" data synth --out "$faces" --seed 1 --identities 224 --pictures 12 --marks 8 --degraded-share 0
step "4/4 train and evaluate"
common=(--arch mini --embed_dims 512 --data_dirs "$faces/train" --batch-size 32 --lr-schedule cosine
  --warmup-steps 36 --weight-decay 5e-4 --dropout 0 --workers 2 --seed 1 --device cpu)
# Who is who first, on clean pictures; then, on pictures of every quality, how far that can be told (docs/method.md).
"$qcface" train "${common[@]}" --loss_model softmax --phase norm --lr 0.01 --epochs 5 --augment hflip:0.5 \
  --keep-last 1 --no-report --pth-save-fold "$run/start"
"$qcface" train "${common[@]}" --loss_model qcface --phase norm --lambda_g 1.5 --lr 0.008 --epochs 15 \
  --augment 'hflip:0.5,downup:0.2[2..16],blur:0.15[1..8],noise:0.12[5..90],occlusion:0.12[0.05..0.6],brightness:0.12[0..170],jpeg:0.2[1..40]' \
  --weight_path "$run/start/checkpoints/best.safetensors" --head keep \
  --eval-data "$faces/verify" --degrade-data "$faces/degrade" --eval-epoch 15 --pth-save-fold "$run"

step "done"
echo "report:      $run/report.html"
echo "checkpoints: $run/checkpoints"
echo "next:        $qcface eval verify --weights $run/checkpoints/best.safetensors --data $faces/verify"
