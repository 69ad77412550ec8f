#!/usr/bin/env bash
# Installs a build, moves the installed folder, and builds and runs the consumers against it by CMake and by pkg-config.
# Also: the soname, and that the library shows exactly the functions that kernels.h declares.
#   run.sh BUILD WORK VERSION
set -euo pipefail
build=$1 work=$2 version=$3
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$work"
mkdir -p "$work"

cmake --install "$build" --component kernels --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
prefix=$work/moved
library=$(find "$prefix" -name libqcface_kernels.so)
libdir=$(dirname "$library")

soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
want=libqcface_kernels.so.${version%.*}
[[ $soname == "$want" ]] || { echo "soname $soname, expected $want"; exit 1; }

nm -D --defined-only "$library" | awk '{print $NF}' | sort >"$work/shown"
sed 's,/\*.*\*/,,' "$prefix/include/qcface/kernels.h" | grep -vE '^ \*|^static inline' | grep -oE '\bqcf_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$work/declared"
[[ -s $work/declared ]] || { echo "no function found in kernels.h"; exit 1; }
diff "$work/declared" "$work/shown" || { echo "declared (<) and shown (>) functions differ"; exit 1; }

cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/cmake" >/dev/null
"$work/cmake/consumer_c"
"$work/cmake/consumer_cpp"

export PKG_CONFIG_PATH=$libdir/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs qcface)"
[[ $(pkg-config --modversion qcface) == "$version" ]]
"${CC:-cc}" -std=c99 -Wall -Wextra -pedantic -Werror "$here/consumer.c" "${flags[@]}" -lm -o "$work/plain_c"
"${CXX:-c++}" -std=c++17 -Wall -Wextra -pedantic -Werror "$here/consumer.cpp" "${flags[@]}" -o "$work/plain_cpp"
LD_LIBRARY_PATH=$libdir "$work/plain_c"
LD_LIBRARY_PATH=$libdir "$work/plain_cpp"
