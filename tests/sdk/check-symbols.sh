#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The names that the libraries give to the world are those of symbols.txt, which are
# the functions that the headers declare: of the shared one as exported symbols of a
# version node, of the static one as the only global definitions.
#
# check-symbols.sh SYMBOLS.txt INCLUDE-FOLDER SHARED STATIC
set -eu

symbols=$1 include=$2 shared=$3 static=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed 's/$/@@LIBNETEXT_0/' "$symbols" | LC_ALL=C sort >"$work/expected-shared"
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort >"$work/shared"
diff -u "$work/expected-shared" "$work/shared"

LC_ALL=C sort "$symbols" >"$work/expected"
nm --defined-only -g "$static" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort >"$work/static"
diff -u "$work/expected" "$work/static"

# Without comments and types of functions: a name before "(" is a function.
sed 's,/\*.*\*/,,; /\/\*/,/\*\//d; /^#/d; /^typedef/d' "$include"/netext/*.h |
	grep -o '\bnx_[a-z0-9_]*(' | tr -d '(' | LC_ALL=C sort -u >"$work/headers"
diff -u "$work/expected" "$work/headers"
echo "ok $(wc -l <"$symbols") symbols"
