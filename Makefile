# SPDX-License-Identifier: Apache-2.0
#
# Chores. The build itself is meson's: see HACKING.md.

PYTHON := /usr/bin/python3
BUILD  ?= build
STAGE  := $(BUILD)/stage

export NETEXT_BUILD := $(abspath $(BUILD))
export PYTHONDONTWRITEBYTECODE := 1
export PYTHON

help:
	@echo 'sudo make demo      watch netext decide the traffic of real programs (a minute)'
	@echo 'sudo make test      run every test (a few minutes)'
	@echo 'sudo make test-sanitized   the scenarios with ASan, LSan and UBSan (half an hour or more)'
	@echo 'sudo make test-kernel   on the kernel of Debian 12, in a virtual machine (KERNEL=package)'
	@echo '     make build     compile, and stage an installation in $(STAGE)'
	@echo 'sudo make bench     measure against the bare kernel and bare responders'
	@echo 'sudo make soak      programs, faults, every byte checked (SOAK_SECONDS=3600)'
	@echo 'sudo make soak-kills   each process killed at random moments, under each policy (an hour)'
	@echo 'sudo make soak-endpoints   a million connections, ten thousand deaths (some hours)'
	@echo '     make fuzz      a minute for each parser of outside bytes (SECONDS=60)'
	@echo 'sudo make install   install to /usr (DESTDIR is honoured)'
	@echo 'sudo make uninstall   end what runs, and remove what was installed; settings stay'
	@echo '     make clean     remove $(BUILD)'

dependencies:
	@tools/dependencies

build: dependencies
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) >/dev/null
	@meson compile -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild --quiet --destdir $(abspath $(STAGE))

demo: build
	@demo/run

test: build
	@tests/run

test-sanitized: dependencies
	@tests/run sanitized

test-kernel: build
	@tests/kernel/run $(KERNEL)

bench: build
	@bench/run

soak-endpoints: build
	@SOAK_CYCLES=1000000 SOAK_KILLS=10000 SOAK_TALK_S=3600 $(BUILD)/tests/endpoint/test-endpoint-load
	@SOAK_ANSWER_S=300 $(BUILD)/tests/endpoint/test-endpoint

soak: build
	@SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) tests/soak/run
	@tests/soak/replacements

soak-kills: build
	@tests/soak/kills

fuzz: dependencies
	@tests/fuzz/run $(or $(SECONDS),60)

install: build
	meson install -C $(BUILD) --no-rebuild

uninstall:
	@tools/uninstall

clean:
	rm -rf $(BUILD)

.PHONY: help dependencies build demo test test-sanitized test-kernel bench soak soak-endpoints soak-kills fuzz install uninstall clean
