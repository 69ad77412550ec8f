# Fresh roots of Debian and Ubuntu by debootstrap, for the scripts that try what a machine sees that has nothing of ours.
# Sourced; the caller sets `root` (the checkout) and `suite`, and has stop().

roots=$(realpath -m "${QCFACE_BARE_ROOTS:-$root/build/bare}")
[[ $(id -u) -eq 0 ]] || stop "mounting and chroot need root"
command -v debootstrap >/dev/null || stop "debootstrap is missing: apt-get install debootstrap"

# make_root FOLDER PACKAGES: debootstrap's own dependencies and these, nothing that is only recommended.
make_root() {
  [[ -e $1/complete ]] && return 0
  rm -rf "$1"
  mkdir -p "$roots"
  echo "making $1"
  local options=(--variant=minbase "--include=$2")
  if [[ $suite == noble ]]; then
    # Debian has neither Ubuntu's keys nor, in older releases, its script; the mirror is asked over TLS.
    options+=(--no-check-gpg "--components=main,universe" noble "$1"
              "${QCFACE_UBUNTU_MIRROR:-https://archive.ubuntu.com/ubuntu}" /usr/share/debootstrap/scripts/gutsy)
  else
    options+=("$suite" "$1" "${QCFACE_DEBIAN_MIRROR:-http://deb.debian.org/debian}")
  fi
  debootstrap "${options[@]}" >"$1.log" 2>&1 || stop "debootstrap failed: $(tail -n 3 "$1.log")"
  touch "$1/complete"
}

# inside SCRIPT FUNCTION: mounts by FUNCTION, then runs SCRIPT in the root; the mounts are gone afterwards.
inside() {
  export -f "$2"
  base=$base unshare --mount --propagation private bash -euc '
    mount -t proc proc "$base/proc"
    mount --rbind /dev "$base/dev"
    '"$2"'
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      chroot "$base" /bin/sh -euc "$1"' bash "$1"
}
read_only() { mkdir -p "$2" && mount --bind "$1" "$2" && mount -o remount,bind,ro "$2"; }
export -f read_only

