# `make demo` shows it, `make test` proves it. Everything below target/ and out/ can be thrown away.
.DEFAULT_GOAL := build
.PHONY: build setup programs bases lint check test boot-test simulate real-image ext4-matrix support-table demo bench power-cuts boot-raspi3b bench-boot fuzz clean

# An ordinary user's PATH lacks mkfs, fsck and their like on Debian.
export PATH := $(PATH):/usr/sbin:/sbin

CARGO := cargo
HCIMAGE := target/release/hcimage

build: programs ## the tool: target/release/hcimage
	$(CARGO) build --release --locked --package hcimage

setup: ## installs what the tests and the demo need (Debian packages; asks sudo)
	scripts/setup.sh

programs: setup ## the static firstboot programs, compiled into hcimage
	scripts/build-card-programs.sh

programs-and-double: setup
	scripts/build-card-programs.sh --with-double

bases: setup ## the base images of the tests
	tests/bases/make.sh --all

lint: programs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

check: lint programs-and-double bases ## the quick part of test: format, lints, unit and image tests
	$(CARGO) test --locked --workspace --lib --bins
	$(CARGO) test --locked --package hcimage --test image --test golden --test cluster

boot-test: programs-and-double bases ## images booted in QEMU
	$(CARGO) test --locked --package hcimage --test boot -- --nocapture

simulate: build programs-and-double bases ## a cluster of a hundred nodes: images built, processes joining
	tests/simulation/hundred-nodes.sh

real-image: programs ## what the look-alikes pass, for a downloaded image: IMAGE=... BOARD=...
	$(if $(IMAGE),,$(error IMAGE is missing: make real-image IMAGE=2026-06-18-raspios-trixie-arm64-lite.img.xz BOARD=cm4))
	$(if $(BOARD),,$(error BOARD is missing: make real-image IMAGE=$(IMAGE) BOARD=cm4))
	HCIMAGE_REAL_IMAGE=$(abspath $(IMAGE)) HCIMAGE_REAL_BOARD=$(BOARD) \
		$(CARGO) test --locked --package hcimage --test image -- --ignored --nocapture a_real_image

ext4-matrix: programs ## all of ext4: what an upgrade of rust-fs-ext4 must pass; more of it as root
	scripts/ext4-matrix.sh

test: lint programs-and-double bases simulate boot-test ## everything
	$(CARGO) test --locked --workspace
	scripts/support-table.sh --check

support-table: ## the table of what is supported, in the README and for `hcimage boards`: from what the last tests proved
	scripts/support-table.sh

demo: ## base, build, boot, and the line that flashes it
	scripts/demo.sh

bench: build programs-and-double ## hcimage build and each further node against cp; the ext4 layer against debugfs and cp
	tests/bench/build.sh
	tests/bench/nodes.sh
	$(CARGO) bench --locked --package hcimage --bench ext4

power-cuts: programs-and-double bases ## a node whose power is cut twenty times on its first boots
	$(CARGO) test --locked --package hcimage --test boot -- --ignored --nocapture a_node_survives_twenty_power_cuts

boot-raspi3b: programs-and-double bases ## a Raspberry Pi 3 as QEMU has it, from its SD card
	$(CARGO) test --locked --package hcimage --test boot -- --ignored --nocapture a_pi_3_boots_from_its_card

bench-boot: programs-and-double bases ## how long a node takes from power-on to Ready
	$(CARGO) test --locked --package hcimage --test boot -- --ignored --nocapture from_power_on_to_ready

FUZZ_SECONDS := 600
fuzz: ## each fuzz target for FUZZ_SECONDS; needs nightly Rust and cargo-fuzz, see tests/fuzz/README.md
	tests/fuzz/fuzz.sh run $(FUZZ_SECONDS)

clean:
	$(CARGO) clean
	rm -rf out
