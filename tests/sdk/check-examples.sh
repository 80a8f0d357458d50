#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The programs that libnetext(3) and the README print are programs: they compile and link.
#
# check-examples.sh INCLUDE-FOLDER LIBNETEXT.SO LIBNETEXT.3 README.md [CFLAG...]
set -eu

include=$1 library=$2 page=$3 readme=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v to="$work/page-" '/^\.Ed/ { inside = 0 } inside { gsub(/\\e/, "\\"); print >(to n ".c") }
	/^\.Bd -literal/ { inside = 1; n++ }' "$page"
awk -v to="$work/readme-" '/^```/ { inside = 0 } inside { print >(to n ".c") }
	/^```c$/ { inside = 1; n++ }' "$readme"

# Both have at least one, or this script looks in vain.
ls "$work"/page-1.c "$work"/readme-1.c >/dev/null
for example in "$work"/*.c; do
	cc -Wall -Werror "$@" -I"$include" "$example" "$library" -o "$work/program"
	echo "ok $(basename "$example" .c)"
done
