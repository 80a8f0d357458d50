#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Each public header compiles alone and twice, in C99 and C++17, with gcc and with clang (L21),
# without a warning, and the code in its comments compiles too.
#
# check-headers.sh INCLUDE-FOLDER
set -eu

include=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for header in "$include"/netext/*.h; do
	name=netext/$(basename "$header")
	printf '#include <%s>\n#include <%s>\n' "$name" "$name" >"$work/one.c"
	cp "$work/one.c" "$work/one.cc"
	for compiler in gcc clang; do
		"$compiler" -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$include" "$work/one.c"
	done
	for compiler in g++ clang++; do
		"$compiler" -std=c++17 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$include" "$work/one.cc"
	done
	if grep -q '@code' "$header"; then
		printf '#include <%s>\n' "$name" >"$work/example.c"
		sed -n '/@code/,/@endcode/{/@code/d;/@endcode/d;s/^ \* \{0,1\}//;p}' "$header" >>"$work/example.c"
		cc -std=c99 -Wall -Werror -fsyntax-only -I"$include" "$work/example.c"
	fi
	echo "ok $name"
done
