#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the static libnetext: one object for each half, with what it needs of wire/ and
# base/ linked in and every name but nx_* made local. So a program's own loop_init() or
# log_line() is never taken for ours, and a provider does not pull in the manager half
# and its libsystemd.
#
# archive.sh OBJCOPY AR OUTPUT WORK-FOLDER HALF.a... -- INTERNAL.a... -- CC [FLAG...]
set -eu

objcopy=$1 ar=$2 output=$3 work=$4
shift 4
halves='' internal=''
while [ "$1" != -- ]; do halves="$halves $1"; shift; done
shift
while [ "$1" != -- ]; do internal="$internal $1"; shift; done
shift

mkdir -p "$work"
objects=''
for half in $halves; do
	object=$work/$(basename "$half" .a).o
	"$@" -r -nostdlib -o "$object" -Wl,--whole-archive "$half" -Wl,--no-whole-archive \
		-Wl,--start-group $internal -Wl,--end-group
	"$objcopy" --localize-hidden "$object"
	objects="$objects $object"
done
rm -f "$output"
"$ar" rcs "$output" $objects
