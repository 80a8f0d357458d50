#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The examples as somebody else builds them: from an installed SDK, by the line at their
# top, with gcc and with clang, shared and static (L21); one that has parts has them beside it.
# The programs run, and explain how they are meant to be started.
#
# check-consumer.sh MESON BUILD-FOLDER EXAMPLE.c... -- [CFLAG...]
set -eu

meson=$1 build=$2
shift 2
sources=''
while [ "$1" != -- ]; do sources="$sources $1"; shift; done
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR=$work/root "$meson" install -C "$build" --no-rebuild --quiet >/dev/null
pc=$(find "$work/root" -name netext.pc)
libdir=$(dirname "$(dirname "$pc")")

# With the staged folder before the paths, also where the compiler would look by itself.
flags() {
	PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		PKG_CONFIG_PATH=$(dirname "$pc") pkg-config "$@" netext |
		sed "s,\(-[IL]\)\(/[^ ]*\),\1$work/root\2,g"
}

# What a person sees: exit status 2 and the way to start it.
expect_explanation() {
	status=0
	"$@" 2>"$work/stderr" || status=$?
	[ "$status" -eq 2 ]
	grep -q 'netextctl run --with' "$work/stderr"
}

# What gcc has instrumented wants gcc's runtime of the sanitizers.
compilers='gcc clang'
[ $# -eq 0 ] || compilers=gcc

[ "$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --modversion netext)" = 0.1.0 ]
for source in $sources; do
	name=$(basename "$source" .c)
	parts=$(find "$(dirname "$source")" -name '*.c' ! -name 'test-*' ! -path "$source")
	for compiler in $compilers; do
		"$compiler" -Wall -Werror "$@" "$source" $parts $(flags --cflags --libs) -o "$work/shared"
		readelf -d "$work/shared" | grep -q 'NEEDED.*libnetext\.so\.0'
		expect_explanation env LD_LIBRARY_PATH="$libdir" "$work/shared"
		echo "ok $name shared, with $compiler"

		"$compiler" "$@" "$source" $parts -Wl,--as-needed -o "$work/static" \
			$(flags --static --cflags --libs | sed 's/-lnetext/-l:libnetext.a/')
		if readelf -d "$work/static" | grep 'NEEDED.*libnetext'; then
			exit 1
		fi
		expect_explanation "$work/static"
		echo "ok $name static, with $compiler"
	done

	# The provider half stands without libsystemd, so a program can be wholly static.
	if [ $# -eq 0 ]; then
		cc -static "$source" $parts $(flags --cflags) "$libdir/libnetext.a" -o "$work/whole"
		expect_explanation "$work/whole"
		echo "ok $name without libsystemd"
	fi

	# It is an example because it is short.
	case $name in
	hello-*) [ "$(wc -l <"$source")" -lt 100 ] ;;
	*) [ "$(wc -l <"$source")" -lt 150 ] ;;
	esac
done
