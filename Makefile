# `make help` lists the targets. Everything in target/ and out/ can be deleted.
#
# Installing: `make` and `make quick` install nothing; where a compiler is missing, `make` says what to install. `make demo`
# and the targets with tests install Debian packages where they are missing, and say which (scripts/setup.sh --list).
.DEFAULT_GOAL := build
.PHONY: help build release compilers setup programs programs-and-double bases checkers quick lint format clippy doc deny deny-offline check \
	unit-test image-test other-test boot-test test simulate real-image ext4-matrix support-table support-check demo bench power-cuts \
	boot-packages boot-publishers boot-more boot-examples boot-day-two boot-run boot-etcd boot-raspi3b page-test windows bench-boot api-test database-test overlay-judge node-judge helm-test real-charts garage-test etcd-test fuzz clean
# A prerequisite comes before the next one, also with -j: setup before what needs it. cargo uses all processors by itself.
.NOTPARALLEL:

# An ordinary user's PATH lacks mkfs, fsck and their like on Debian.
export PATH := $(PATH):/usr/sbin:/sbin

CARGO := cargo
# One set of packages for all tests: with another one cargo compiles the same crates again, with other features.
CARGO_TEST := $(CARGO) test --locked --workspace

# The tests by stage, so that none runs twice: a new one in tests/NAME/main.rs or tests/PACKAGE/tests/ is in the last.
UNIT_TESTS := golden cluster
IMAGE_TESTS := image
ALL_TESTS := $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)) \
	$(basename $(notdir $(wildcard tests/*/tests/*.rs)))
OTHER_TESTS := $(filter-out boot $(UNIT_TESTS) $(IMAGE_TESTS),$(sort $(ALL_TESTS)))

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.* ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "%-16s %s\n", $$1, $$2 }'

build: programs release ## the tool: target/release/hcimage; needs compilers, installs nothing

# After the programs that are compiled in.
release:
	$(CARGO) build --release --locked --package hcimage

compilers:
	@scripts/setup.sh --check

setup: ## installs what `make test` needs: compilers, QEMU, mmdebstrap, checkers of files and file systems
	scripts/setup.sh test

programs: compilers ## the static first-boot programs, which are compiled into hcimage
	scripts/build-card-programs.sh

programs-and-double: compilers
	scripts/build-card-programs.sh --with-double

bases: setup ## the base images of the tests, in ~/.cache/hcimage-tests; installs as setup
	tests/bases/make.sh --all

checkers: setup ## a directory with the services whose checkers the tests run; installs none of them here
	tests/bases/make.sh --checkers

# Unit tests that ask programs of Debian packages: file systems, partition tables, versions.
QUICK_SKIPS := fs::ext4 fs::fat disk:: of_dpkg by_dpkg phase::blank the_root_partition_grows

quick: format clippy ## before a commit: format, clippy, unit tests; needs only Rust and gcc, installs nothing
	@echo "quick: SKIPPED, since they need other programs: unit tests $(QUICK_SKIPS) (make check runs them)"
	HCIMAGE_QUICK=1 $(CARGO_TEST) --lib --bins $(UNIT_TESTS:%=--test %) -- $(QUICK_SKIPS:%=--skip %)

lint: format clippy doc deny-offline ## format, clippy, rustdoc, licences; installs nothing

format:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The vulnerabilities need their database from the network, so they are no part of lint.
deny-offline:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check bans licenses sources; \
	else echo "lint: NOT DONE: licences and sources of dependencies: cargo-deny is missing (cargo install --locked cargo-deny)"; fi

deny: ## dependencies: licences, sources, known vulnerabilities; needs cargo-deny, see docs/dependencies.md
	$(CARGO) deny check

doc: ## the documentation of the crates, in target/doc
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace --locked

check: setup lint unit-test image-test ## the quick part of test that has base images; installs as setup

unit-test: setup programs-and-double checkers ## unit tests, editors and plans; installs as setup
	$(CARGO_TEST) --lib --bins $(UNIT_TESTS:%=--test %)

image-test: setup programs-and-double bases checkers ## images built and checked; installs as setup
	$(CARGO_TEST) $(IMAGE_TESTS:%=--test %)

other-test: setup programs-and-double bases checkers ## every base for every board, downloads, secrets, first boot, ...; installs as setup
	$(CARGO_TEST) $(OTHER_TESTS:%=--test %)
	$(CARGO_TEST) --doc

boot-test: setup programs-and-double bases checkers ## images booted in QEMU; installs as setup
	$(CARGO_TEST) --test boot -- --nocapture

simulate: setup programs-and-double bases ## a cluster of a hundred nodes: images built, processes joining; installs as setup
	$(CARGO_TEST) --no-run --test cli
	tests/simulation/hundred-nodes.sh

test: setup lint unit-test image-test other-test simulate boot-test support-check ## everything, fast stages first; installs as setup

support-check:
	scripts/support-table.sh --check

real-image: setup programs ## what the look-alikes pass, for a downloaded image: IMAGE=... BOARD=...
	$(if $(IMAGE),,$(error IMAGE is missing: make real-image IMAGE=2026-06-18-raspios-trixie-arm64-lite.img.xz BOARD=cm4))
	$(if $(BOARD),,$(error BOARD is missing: make real-image IMAGE=$(IMAGE) BOARD=cm4))
	HCIMAGE_REAL_IMAGE=$(abspath $(IMAGE)) HCIMAGE_REAL_BOARD=$(BOARD) \
		$(CARGO_TEST) --test image -- --ignored --nocapture a_real_image

ext4-matrix: setup programs ## all of ext4: what an upgrade of rust-fs-ext4 must pass; more of it as root
	scripts/ext4-matrix.sh

support-table: ## writes the table of what is supported, in the README and for `hcimage boards`, from what the last tests proved
	scripts/support-table.sh

demo: ## base, build, boot, and the line that flashes it; installs compilers for Arm, QEMU for Arm, mmdebstrap
	scripts/demo.sh

bench: setup programs-and-double release bases ## hcimage against cp, debugfs, xz, skopeo, dd and bmaptool: builds, nodes, ext4, packed bases, container images, flash
	tests/bench/build.sh
	tests/bench/nodes.sh
	tests/bench/unpack.sh
	tests/bench/images.sh
	tests/bench/flash.sh
	$(CARGO) bench --locked --package hcimage --bench ext4

power-cuts: setup programs-and-double bases checkers ## a node whose power is cut twenty times on its first boots
	$(CARGO_TEST) --test boot -- --ignored --nocapture a_node_survives_twenty_power_cuts

boot-packages: setup programs-and-double bases checkers ## packages of the distribution installed on the node, without a network and across power cuts
	$(CARGO_TEST) --test boot -- --ignored --nocapture packages::

boot-publishers: setup programs-and-double bases checkers ## the first boots of Raspberry Pi OS and Ubuntu, as their publishers have them
	$(CARGO_TEST) --test boot -- --ignored --nocapture publishers::

boot-more: setup programs-and-double bases checkers ## boots that seldom break alone: dhcpcd, a hybrid MBR, a VLAN with swap on a partition
	$(CARGO_TEST) --test boot -- --ignored --nocapture seldom:: vlan::

boot-examples: setup programs-and-double bases checkers ## the examples with overlays, each as a whole cluster: an hour
	$(CARGO_TEST) --test boot -- --ignored --nocapture --test-threads 1 examples::

boot-day-two: setup programs-and-double bases checkers ## a cluster goes on while cards die and images change: k3s raised, an overlay more, one less; a quarter of an hour
	$(CARGO_TEST) --test boot -- --ignored --nocapture day_two::

boot-run: setup programs-and-double bases checkers ## a cluster rehearsed by `hcimage run`: as nobody, twice at once, until Ready
	$(CARGO_TEST) --test boot -- --ignored --nocapture a_cluster_is_rehearsed

boot-etcd: setup programs-and-double bases checkers ## three servers that share an etcd, each flashed again in turn; half an hour
	$(CARGO_TEST) --test boot -- --ignored --nocapture etcd::

boot-raspi3b: setup programs-and-double bases checkers ## a Raspberry Pi 3 as QEMU has it, from its SD card
	$(CARGO_TEST) --test boot -- --ignored --nocapture a_pi_3_boots_from_its_card

# kube-apiserver takes minutes to build: so this is no part of `make test`, where the same client asks the stand-in for k3s.
API_DIR := target/kube-api
HELM_DIR := target/helm
api-test: ## hc-firstboot's client, and the stand-in for k3s, against a real kube-apiserver; needs Go, installs nothing
	tests/kube-apiserver/build.sh $(API_DIR)
	HCIMAGE_KUBE_APISERVER=$(abspath $(API_DIR))/kube-apiserver HCIMAGE_ETCD=$(abspath $(API_DIR))/etcd \
		HCIMAGE_HELM_CRD=$(abspath $(API_DIR))/helmcharts.yaml \
		$(CARGO_TEST) --test kube_api -- --ignored --nocapture --test-threads 1

database-test: setup programs-and-double bases ## a cluster in PostgreSQL and in MariaDB, by the real kine and kube-apiserver from images' settings; needs Go, installs as setup
	tests/kube-apiserver/build.sh --kine $(API_DIR)
	HCIMAGE_KUBE_APISERVER=$(abspath $(API_DIR))/kube-apiserver HCIMAGE_KINE=$(abspath $(API_DIR))/kine \
		$(CARGO_TEST) --bin hcimage --test outside_sql -- --ignored --nocapture --test-threads 1

# HCIMAGE_OVERLAY=NAME judges one alone.
overlay-judge: ## every overlay on a real control plane whose nodes are played, applied and removed again; needs Go, installs nothing
	tests/kube-apiserver/build.sh --control-plane $(API_DIR)
	HCIMAGE_KUBE_APISERVER=$(abspath $(API_DIR))/kube-apiserver HCIMAGE_ETCD=$(abspath $(API_DIR))/etcd-3.6 \
		HCIMAGE_KUBE_CONTROLLER_MANAGER=$(abspath $(API_DIR))/kube-controller-manager \
		HCIMAGE_KUBE_SCHEDULER=$(abspath $(API_DIR))/kube-scheduler \
		HCIMAGE_KWOK=$(abspath $(API_DIR))/kwok HCIMAGE_KWOK_STAGES=$(abspath $(API_DIR))/kwok.yaml \
		HCIMAGE_HELM_CRD=$(abspath $(API_DIR))/helmcharts.yaml \
		HCIMAGE_HELM_CONFIG_CRD=$(abspath $(API_DIR))/helmchartconfigs.yaml \
		$(CARGO_TEST) --bin hcimage --test overlay_judge --test overlay_live -- --ignored --nocapture

NODE_DIR := target/kube-node
node-judge: setup bases ## the overlays' pods on a real kubelet and containerd, in namespaces of their own; needs root and Go, installs as setup
	tests/kube-apiserver/build.sh --node $(API_DIR)
	tests/helm/build.sh $(HELM_DIR)
	tests/kube-node/build.sh $(NODE_DIR)
	HCIMAGE_KUBE_APISERVER=$(abspath $(API_DIR))/kube-apiserver HCIMAGE_ETCD=$(abspath $(API_DIR))/etcd-3.6 \
		HCIMAGE_KUBE_CONTROLLER_MANAGER=$(abspath $(API_DIR))/kube-controller-manager \
		HCIMAGE_KUBE_SCHEDULER=$(abspath $(API_DIR))/kube-scheduler \
		HCIMAGE_KUBELET=$(abspath $(API_DIR))/kubelet HCIMAGE_KUBE_PROXY=$(abspath $(API_DIR))/kube-proxy \
		HCIMAGE_HELM=$(abspath $(HELM_DIR))/helm HCIMAGE_NODE_PROGRAMS=$(abspath $(NODE_DIR)) \
		$(CARGO_TEST) --test node_judge -- --ignored --nocapture

helm-test: setup ## charts that Helm 4 packs, lists and renders; needs Go, installs nothing of it
	tests/helm/build.sh $(HELM_DIR)
	HCIMAGE_HELM=$(abspath $(HELM_DIR))/helm $(CARGO_TEST) --test charts -- --ignored --nocapture helm::

PARTIAL := 0
real-charts: setup ## published charts with the values of overlays: CHARTS=FOLDER [PARTIAL=1]; needs Go, installs nothing of it
	$(if $(CHARTS),,$(error CHARTS is missing: make real-charts CHARTS=folder-with-downloaded-charts))
	tests/helm/build.sh $(HELM_DIR)
	HCIMAGE_CHARTS=$(abspath $(CHARTS)) HCIMAGE_PARTIAL=$(PARTIAL) HCIMAGE_HELM=$(abspath $(HELM_DIR))/helm \
		$(CARGO_TEST) --test overlays -- --ignored --nocapture --test-threads 1 real_charts::

GARAGE_DIR := target/garage
garage-test: setup ## the overlay object-store by a real Garage: three servers become one store; the first time 20 minutes of a processor
	tests/garage/build.sh $(GARAGE_DIR)
	HCIMAGE_GARAGE=$(abspath $(GARAGE_DIR))/bin/garage $(CARGO_TEST) --test overlays -- --ignored --nocapture object_store::

etcd-test: setup ## first boots of three and five servers that share a real etcd, all of them: each flashed again in turn, a lost quorum
	$(CARGO_TEST) --test etcd -- --include-ignored

AXE_CORE := 4.14.1
page-test: ## the page of a node in Chromium, judged by axe-core and zbarimg; installs a browser, fetches axe-core by npm
	scripts/setup.sh page-test
	npm install --silent --no-save --ignore-scripts --prefix target/page axe-core@$(AXE_CORE)
	$(CARGO) test --locked --package hc-firstboot --test page -- --ignored --nocapture --test-threads 1

# What the profile "demo" is for too: compiled once, run once.
WINDOWS_PROFILE := demo
WINDOWS_TARGET := x86_64-pc-windows-gnu
windows: setup programs-and-double bases ## hcimage.exe, cross-built, and its images compared with those of Linux; installs mingw-w64
	scripts/setup.sh windows
	scripts/rust-target.sh $(WINDOWS_TARGET)
	$(CARGO) build --locked --profile $(WINDOWS_PROFILE) --target $(WINDOWS_TARGET) --package hcimage --bin hcimage
	tests/windows/wine.sh target/wine
	HCIMAGE_EXE=$(abspath target/$(WINDOWS_TARGET)/$(WINDOWS_PROFILE)/hcimage.exe) HCIMAGE_WINE=$(abspath target/wine)/wine \
		$(CARGO_TEST) --test windows -- --ignored --nocapture --test-threads 1

bench-boot: setup programs-and-double bases checkers ## how long a node takes from power-on to Ready
	$(CARGO) bench --locked --package hcimage --bench boot

FUZZ_SECONDS := 600
fuzz: ## each fuzz target for FUZZ_SECONDS; needs nightly Rust and cargo-fuzz, see tests/fuzz/README.md
	tests/fuzz/fuzz.sh run $(FUZZ_SECONDS)

clean: ## deletes target/ and out/; base images stay in ~/.cache/hcimage-tests
	$(CARGO) clean
	rm -rf out
