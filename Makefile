# What is done with this repository. `make` alone lists it. Every target sets up by itself what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

CARGO_DENY := 0.20.2
FUZZ_SECONDS := 60
FUZZ_TARGETS :=

export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/sbin:/sbin
OUT := $(abspath $(or $(CARGO_TARGET_DIR),target))
DENY := $(OUT)/tools/cargo-deny-$(CARGO_DENY)/bin/cargo-deny

# The pinned toolchain, or, where it cannot be fetched, rustup's default one if that is the same version.
RUST := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
ifeq ($(shell rustc --version 2>/dev/null),)
ifneq ($(findstring rustc $(RUST) ,$(shell cd / && rustc --version 2>/dev/null)),)
export RUSTUP_TOOLCHAIN := $(firstword $(shell cd / && rustup default))
endif
endif
endif

# $(call need,COMMAND,PACKAGE...): installs Debian packages if the command is missing.
need = command -v $(1) >/dev/null || { \
	echo "$(1) is missing: installing $(2)"; \
	[ "$$(id -u)" = 0 ] && as_root= || as_root=sudo; \
	$$as_root apt-get update -q && $$as_root apt-get install -qy --no-install-recommends $(2); }

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-23s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## Install what building and testing needs
	@$(call need,cc,gcc libc6-dev)
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup (https://rustup.rs)" >&2; \
		[ -z "$$SUDO_USER" ] || echo "(with sudo: call \`make release\` without it first)" >&2; exit 1; }
	@rustc --version >/dev/null || { echo "Rust $(RUST) (rust-toolchain.toml) is missing" >&2; exit 1; }

# What machines and name spaces run: static, with the checks of a debug build and the ways to fail on purpose.
STATIC := x86_64-unknown-linux-gnu
PROGRAMS := $(OUT)/$(STATIC)/vm
# $(call static,PROFILE,PACKAGES AND PROGRAMS): builds programs that need no library, and at their start no relocation,
# which would make every page with an address in it a page of their own.
static = RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static" cargo build --locked --target $(STATIC) --profile $(1) $(2)

.PHONY: setup-vm
setup-vm: setup ## Install what virtual machines need, and fetch their kernel
	@$(call need,qemu-system-x86_64,qemu-system-x86)
	@$(call need,mke2fs,e2fsprogs)
	@$(call need,unshare,util-linux)
	@busybox ls / >/dev/null 2>&1 && ! ldd "$$(command -v busybox)" >/dev/null 2>&1 || { $(call need,no-static-busybox,busybox-static); }
	@cargo build --locked -p vm-tests --bin onset-vm
	@$(OUT)/debug/onset-vm kernel >/dev/null

.PHONY: programs
programs: setup ## Build the static programs that machines boot in tests
	@$(call static,vm,-p init -p vm-tests --bin onset --bin onsetctl --bin onset-emit --bin onset-rc --bin vm-guest --features init/faults)

.PHONY: boot
boot: setup-vm programs ## Boot a machine with Onset and the examples, and give its console
	@ONSET_PROGRAMS=$(PROGRAMS) $(OUT)/debug/onset-vm demo --console

.PHONY: demo
demo: setup-vm programs ## The same without a terminal: it ends by itself, with a summary
	@ONSET_PROGRAMS=$(PROGRAMS) $(OUT)/debug/onset-vm demo

$(DENY): | setup
	cargo install --locked --version $(CARGO_DENY) --root $(OUT)/tools/cargo-deny-$(CARGO_DENY) \
		--target-dir $(OUT)/tools/build cargo-deny
	rm -rf $(OUT)/tools/build

VARLINK := 31.0.0
VARLINK_PYTHON := $(OUT)/tools/varlink-$(VARLINK)/bin/python

# A public Varlink client from PyPI. Where PyPI cannot be reached its test is skipped, and that is said.
.PHONY: varlink
varlink: setup
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call need,python3-with-venv,python3 python3-venv); }
	@[ -x $(VARLINK_PYTHON) ] || { folder=$$(dirname $$(dirname $(VARLINK_PYTHON))); \
		{ python3 -m venv $$folder && $$folder/bin/pip install -q --timeout 10 --retries 1 varlink==$(VARLINK); } || { \
			rm -rf $$folder; echo "varlink: SKIPPED, the client could not be fetched from PyPI"; }; }

.PHONY: test-varlink
test-varlink: varlink ## Steer Onset with a public Varlink client
	@[ -x $(VARLINK_PYTHON) ] || exit 0; \
		ONSET_VARLINK_PYTHON=$(VARLINK_PYTHON) cargo test -p init --locked --test control public_client

.PHONY: test
test: setup-vm programs varlink ## Run all tests; the last line counts them
	@mkdir -p $(OUT)
	@[ ! -x $(VARLINK_PYTHON) ] || export ONSET_VARLINK_PYTHON=$(VARLINK_PYTHON); \
	status=0; ONSET_PROGRAMS=$(PROGRAMS) cargo test --workspace --locked --no-fail-fast 2>&1 | tee $(OUT)/test.log || status=$$?; \
	awk '/^test result:/ { passed += $$4; failed += $$6; ignored += $$8; programs++ } \
		END { printf "make test: %d passed, %d failed, %d ignored, in %d test programs\n", \
			passed, failed, ignored, programs }' $(OUT)/test.log; \
	[ $$status = 0 ] || echo "make test: FAILED"; exit $$status

# The crates in which cases are made at random. What tests the deaths of PID 1 maps memory that nobody gives back.
RANDOM_CASES := ONSET_SEEDS=100000 CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_PROFILE_TEST_OPT_LEVEL=2 \
	cargo test --locked --no-fail-fast --target-dir $(OUT)/test-all
TEST_TABLE := awk 'BEGIN { print "| tests | passed | failed | seconds |\n| --- | ---: | ---: | ---: |" } \
	/^ *Running/ { name = $$NF; sub(/.*\//, "", name); sub(/-[0-9a-f]*\)$$/, "", name); name = name " (" $$(NF - 1) ")" } \
	/^ *Doc-tests/ { name = "examples in " $$2 } \
	/^test result:/ && $$4 + $$6 > 0 { sub(/s$$/, "", $$NF); printf "| %s | %s | %s | %s |\n", name, $$4, $$6, $$NF }'

.PHONY: test-all
test-all: test test-usb ## The same and `test-usb`, then the random cases again, optimised, 100 times as many (takes long; writes docs/results)
	@$(call result,test-all,{ PROPTEST_CASES=25600 $(RANDOM_CASES) -p events -p jobs && PROPTEST_CASES=2560 $(RANDOM_CASES) -p init --lib; } 2>&1 | $(TEST_TABLE))

.PHONY: test-usb
test-usb: setup-vm programs ## Plug sticks into a machine with Debian's kernel for real machines (fetches 70 MB)
	@ONSET_PROGRAMS=$(PROGRAMS) ONSET_FULL_KERNEL=1 cargo test --locked -p vm-tests --test usb

DEBIAN := $(OUT)/debian
DEBIAN_PACKAGES := udev,util-linux,openssh-server,cron,ifupdown,iproute2,isc-dhcp-client,kexec-tools,login,passwd,procps,kmod,dbus,netbase,e2fsprogs,systemd-,libpam-systemd-

# A small Debian, without an init, and a large one with the packages whose scripts are tested. Only root can make them.
$(DEBIAN)/root.tar: REPOSITORY :=
$(DEBIAN)/packages.tar: vm-tests/debian/packages.list vm-tests/debian/repository
$(DEBIAN)/packages.tar: DEBIAN_PACKAGES = $(shell tr '\n' , <vm-tests/debian/packages.list)
$(DEBIAN)/packages.tar: REPOSITORY := --customize-hook='vm-tests/debian/repository "$$1" nginx'
$(DEBIAN)/root.tar $(DEBIAN)/packages.tar:
	@$(call need,mmdebstrap,mmdebstrap)
	@mkdir -p $(DEBIAN)
	@[ "$$(id -u)" = 0 ] && as_root= || as_root=sudo; \
		$$as_root mmdebstrap --quiet --variant=minbase --include=$(DEBIAN_PACKAGES) $(REPOSITORY) bookworm $(@D)/new.tar
	@mv $(@D)/new.tar $@

# $(call debian,WHICH,SIZE,FOLDER): its image.
debian = $$as_root env ONSET_UDEV=$(OUT)/debug/onset-udev vm-tests/debian/image $(DEBIAN)/$(1).tar $(PROGRAMS) $(OUT)/tools/kernel $(DEBIAN)/$(1).img $(2) $(3)
PLAY_DEBIAN := ONSET_PROGRAMS=$(PROGRAMS) ONSET_DEBIAN=$(DEBIAN) cargo test --quiet --locked -p vm-tests --test debian

.PHONY: test-debian
test-debian: setup-vm programs $(DEBIAN)/root.tar $(DEBIAN)/packages.tar ## Boot a real Debian with Onset as its init (half an hour; writes docs/results; SCENARIO=udev for one)
	@pkg-config --exists libudev 2>/dev/null || { $(call need,no-libudev-dev,libudev-dev pkg-config); }
	@cargo build --quiet --locked -p init --features udev --bin onset-udev
	@[ "$$(id -u)" = 0 ] && as_root= || as_root=sudo; \
		$(call debian,root,1G); $(call debian,packages,4G,vm-tests/debian/packages.root)
	@cargo test --quiet --locked -p vm-tests --test debian --no-run
	@$(if $(SCENARIO),ONSET_ONLY=$(SCENARIO) $(PLAY_DEBIAN) -- --nocapture,$(call result,test-debian,$(PLAY_DEBIAN) -- --nocapture 2>&1 | \
		tee $(DEBIAN)/log | grep --line-buffered -E '^(ok|FAILED|skipped)'))

.PHONY: lint
lint: setup $(DENY) ## Check format, clippy, docs, licences and dependencies
	cargo fmt --all --check
	cargo fmt --manifest-path vm-tests/fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if pkg-config --exists libudev 2>/dev/null; then \
		cargo clippy -p init --features udev --bin onset-udev --locked -- -D warnings; \
	else \
		echo "onset-udev: SKIPPED, libudev-dev is not there (\`make onset-udev\` installs it)"; \
	fi
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	cargo fetch --locked --quiet
	$(DENY) --locked --offline check bans licenses sources
	@if timeout 60 $(DENY) --locked fetch db >$(OUT)/advisories.log 2>&1; then \
		$(DENY) --locked --offline check advisories; \
	else \
		echo "advisories: SKIPPED, the advisory database could not be fetched:"; \
		grep -m 1 fatal $(OUT)/advisories.log || tail -n 1 $(OUT)/advisories.log; \
	fi

.PHONY: fmt
fmt: setup ## Bring all code into form
	cargo fmt --all
	cargo fmt --manifest-path vm-tests/fuzz/Cargo.toml

.PHONY: fuzz
fuzz: setup ## Give every fuzz target hostile input (FUZZ_SECONDS=60, FUZZ_TARGETS="glob ...")
	@$(call need,c++,g++)
	@CARGO_TARGET_DIR=$(OUT) vm-tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# $(call result,TARGET,COMMAND,PAGE): writes what a command prints to docs/results, under how it came about. One that fails
# leaves the page as it was.
result = mkdir -p docs/results $(OUT); rm -f $(OUT)/result.whole; { \
	echo "\# $(1)"; echo; \
	echo "\`make $(1)\`, $$(date -u +%F), $$(nproc) CPUs of $$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
		"$$(rustc --version), load $$(cut -d ' ' -f 1 /proc/loadavg) before the first reading."; \
	echo; $(2) && touch $(OUT)/result.whole; } | tee $(OUT)/result.md; \
	rm $(OUT)/result.whole && mv $(OUT)/result.md docs/results/$(or $(3),$(1)).md

FAULT :=
SCENARIO :=

.PHONY: faults
faults: setup-vm programs ## Show that Onset survives faults, a line for each (FAULT=F16 for one of them)
	@ONSET_PROGRAMS=$(PROGRAMS) cargo run --quiet --locked -p vm-tests --bin faults -- $(FAULT)

.PHONY: faults-long
faults-long: setup-vm programs ## The same with those that take minutes (writes docs/results)
	@$(call result,faults-long,ONSET_PROGRAMS=$(PROGRAMS) cargo run --quiet --locked -p vm-tests --bin faults -- --long --table $(FAULT),faults)

.PHONY: bench-core
bench-core: setup ## Measure matching, the engine and the order (a few minutes; writes docs/results)
	cargo build -p init --release --locked
	cargo bench -p jobs --bench core --locked --no-run
	@$(call result,bench-core,ONSETCTL=$(OUT)/release/onsetctl cargo bench -q -p jobs --bench core --locked)

.PHONY: bench-core-instructions
bench-core-instructions: setup ## Count the instructions of the same (the same on every load; writes docs/results)
	@$(call need,valgrind,valgrind)
	cargo bench -p jobs --bench core --locked --no-run
	@$(call result,bench-core-instructions,cargo bench -q -p jobs --bench core --locked -- --instructions)

.PHONY: bench-vm
bench-vm: setup-vm ## Measure Onset in virtual machines whose clock counts instructions (writes docs/results)
	@$(call static,release,-p init -p vm-tests --bin onset --bin onsetctl --bin onset-emit --bin onset-rc --bin vm-guest)
	@cargo build --quiet --locked -p vm-tests --bin bench-vm
	@$(call result,bench-vm,ONSET_PROGRAMS=$(OUT)/$(STATIC)/release $(OUT)/debug/bench-vm)

.PHONY: bench-events
bench-events: setup-vm ## Measure how long events take, and how many there may be, beside the least (writes docs/results)
	@$(call static,release,-p init -p vm-tests --bin onset --bin onsetctl --bin onset-emit --bin onset-rc --bin vm-guest)
	@cargo build --quiet --locked -p vm-tests --bin bench-events
	@$(call result,bench-events,ONSET_PROGRAMS=$(OUT)/$(STATIC)/release $(OUT)/debug/bench-events)

.PHONY: bench-rc
bench-rc: setup-vm ## Measure what rc.d scripts cost at boot, off and on (writes docs/results)
	@$(call static,release,-p init -p vm-tests --bin onset --bin onsetctl --bin onset-emit --bin onset-rc --bin vm-guest)
	@cargo build --quiet --locked -p vm-tests --bin bench-rc
	@$(call result,bench-rc,ONSET_PROGRAMS=$(OUT)/$(STATIC)/release $(OUT)/debug/bench-rc)

# Where `make install` puts things; docs/install.md tells what for.
DESTDIR :=
# A folder of programs that are built already, in the place of building them. Root by sudo(8) has no Rust: it installs
# what its person has built with `make release`.
FROM := $(and $(SUDO_USER),$(wildcard $(OUT)/$(STATIC)/release/onset),$(OUT)/$(STATIC)/release)
# Where the names that other inits have, too, are put besides: /sbin in an image where Onset is the only init.
LINKS :=
NAMES := initctl start stop restart reload status telinit runlevel shutdown halt poweroff reboot service
# What rc.d scripts find at the end of their PATH, whatever the system has; and what they call by its whole path, put
# there if nothing is.
RC_NAMES := checkyesno cpuset daemon kenv kldload kldstat kldunload limits logger protect pwait rcorder service setfib sysctl sysrc
RC_PATHS := /bin/kenv /sbin/kldload /sbin/kldstat /sbin/kldunload /sbin/rcorder /usr/bin/cpuset /usr/bin/limits \
	/usr/bin/protect /usr/sbin/daemon /usr/sbin/setfib /usr/sbin/sysrc
# The program that needs libudev, if it was built.
ONSET_UDEV = $(wildcard $(OUT)/release/onset-udev)
BUILT = $(or $(FROM),$(OUT)/$(STATIC)/release)

.PHONY: onset-udev
onset-udev: setup ## Build `onset-udev`, which needs libudev (`make install` then installs it, too)
	@pkg-config --exists libudev 2>/dev/null || { $(call need,no-libudev-dev,libudev-dev pkg-config); }
	cargo build --locked --release -p init --features udev --bin onset-udev

.PHONY: release
release: setup ## Build the programs that `make install` installs
	@$(call static,release,-p init --bin onset --bin onsetctl --bin onset-emit --bin onset-rc)

.PHONY: install
install: $(if $(FROM),,setup) ## Install Onset beside the init that is there (DESTDIR=, LINKS=/sbin; docs/install.md)
	@for name in $(if $(LINKS),init $(NAMES)); do \
		file="$(DESTDIR)$(LINKS)/$$name"; \
		case "$$(readlink "$$file" 2>/dev/null)" in */onset|*/onsetctl) continue;; esac; \
		[ $$name = service ] || { [ ! -e "$$file" ] && [ ! -L "$$file" ]; } || { \
			echo "make install: $$file is another init's: nothing was installed" >&2; exit 1; }; \
	done
	@$(if $(FROM),,$(call static,release,-p init --bin onset --bin onsetctl --bin onset-emit --bin onset-rc))
	install -d $(addprefix "$(DESTDIR)",/usr/bin /usr/sbin /usr/lib/onset/jobs /usr/lib/onset/bin /usr/lib/onset/rc/bin /etc/onset/jobs /etc/onset/hooks \
		/usr/lib/lsb/init-functions.d /usr/share/man/man1 /usr/share/doc/onset /usr/share/bash-completion/completions \
		/usr/share/zsh/vendor-completions /usr/share/fish/vendor_completions.d)
	@# By a new name first: a program that runs cannot be written to, and PID 1 may run.
	@for name in onset onsetctl onset-emit onset-rc; do \
		install -m 755 "$(BUILT)/$$name" "$(DESTDIR)/usr/sbin/.$$name.new"; \
		mv -f "$(DESTDIR)/usr/sbin/.$$name.new" "$(DESTDIR)/usr/sbin/$$name"; \
	done
	$(if $(ONSET_UDEV),install -m 755 "$(ONSET_UDEV)" "$(DESTDIR)/usr/sbin/onset-udev")
	ln -sfn onset "$(DESTDIR)/usr/sbin/onset-setup"
	for name in $(NAMES); do ln -sfn ../../../sbin/onsetctl "$(DESTDIR)/usr/lib/onset/bin/$$name"; done
	for name in $(RC_NAMES); do ln -sfn ../../../../sbin/onset-rc "$(DESTDIR)/usr/lib/onset/rc/bin/$$name"; done
	@# A root in which /bin is /usr/bin must not get a folder of that name.
	@for path in $(RC_PATHS); do \
		[ -d "$(DESTDIR)$${path%/*}" ] || path=/usr$$path; \
		[ -e "$(DESTDIR)$$path" ] || [ -L "$(DESTDIR)$$path" ] || ln -s /usr/sbin/onset-rc "$(DESTDIR)$$path"; \
	done
	install -m 644 init/stock/jobs/*.ron init/stock/overrides/*.ron "$(DESTDIR)/usr/lib/onset/jobs"
	install -m 644 init/stock/rc/rc.subr "$(DESTDIR)/usr/lib/onset"
	@# What rc.d scripts source: another system's own stays.
	@[ -e "$(DESTDIR)/etc/rc.subr" ] || [ -L "$(DESTDIR)/etc/rc.subr" ] || ln -s /usr/lib/onset/rc.subr "$(DESTDIR)/etc/rc.subr"
	install -m 644 init/stock/lsb/20-onset "$(DESTDIR)/usr/lib/lsb/init-functions.d"
	install -m 644 docs/man/*.1 "$(DESTDIR)/usr/share/man/man1"
	install -m 644 docs/*.md "$(DESTDIR)/usr/share/doc/onset"
	"$(BUILT)/onsetctl" completions bash >"$(DESTDIR)/usr/share/bash-completion/completions/onsetctl"
	"$(BUILT)/onsetctl" completions zsh >"$(DESTDIR)/usr/share/zsh/vendor-completions/_onsetctl"
	"$(BUILT)/onsetctl" completions fish >"$(DESTDIR)/usr/share/fish/vendor_completions.d/onsetctl.fish"
	@# Every Debian has its own service(8), which goes with any init: it stays.
	@$(if $(LINKS),install -d "$(DESTDIR)$(LINKS)"; ln -sfn /usr/sbin/onset "$(DESTDIR)$(LINKS)/init"; \
		for name in $(NAMES); do \
			file="$(DESTDIR)$(LINKS)/$$name"; \
			case "$$(readlink "$$file" 2>/dev/null)" in (*/onsetctl) ;; (*) \
				[ ! -e "$$file" ] || { echo "$$file stays: Onset's is in /usr/lib/onset/bin"; continue; };; esac; \
			ln -sfn /usr/sbin/onsetctl "$$file"; \
		done)

.PHONY: uninstall
uninstall: ## Remove what `make install` has installed, with the same DESTDIR and LINKS; /etc/onset stays
	@for name in $(if $(LINKS),init $(NAMES)); do \
		file="$(DESTDIR)$(LINKS)/$$name"; \
		case "$$(readlink "$$file" 2>/dev/null)" in */onset|*/onsetctl) rm -f "$$file";; esac; \
	done
	cd init/stock && for file in jobs/*.ron overrides/*.ron; do rm -f "$(DESTDIR)/usr/lib/onset/jobs/$${file##*/}"; done
	for name in $(NAMES); do rm -f "$(DESTDIR)/usr/lib/onset/bin/$$name"; done
	for name in $(RC_NAMES); do rm -f "$(DESTDIR)/usr/lib/onset/rc/bin/$$name"; done
	@for path in $(RC_PATHS) $(addprefix /usr,$(RC_PATHS)); do \
		[ "$$(readlink "$(DESTDIR)$$path" 2>/dev/null)" != /usr/sbin/onset-rc ] || rm -f "$(DESTDIR)$$path"; \
	done
	@[ "$$(readlink "$(DESTDIR)/etc/rc.subr" 2>/dev/null)" != /usr/lib/onset/rc.subr ] || rm -f "$(DESTDIR)/etc/rc.subr"
	rm -f "$(DESTDIR)/usr/lib/onset/rc.subr" "$(DESTDIR)/usr/lib/lsb/init-functions.d/20-onset"
	for page in docs/man/*.1; do rm -f "$(DESTDIR)/usr/share/man/man1/$${page##*/}"; done
	for page in docs/*.md; do rm -f "$(DESTDIR)/usr/share/doc/onset/$${page##*/}"; done
	rm -f $(addprefix "$(DESTDIR)",/usr/sbin/onset /usr/sbin/onsetctl /usr/sbin/onset-emit /usr/sbin/onset-rc /usr/sbin/onset-setup \
		/usr/sbin/onset-udev \
		/usr/share/bash-completion/completions/onsetctl /usr/share/zsh/vendor-completions/_onsetctl \
		/usr/share/fish/vendor_completions.d/onsetctl.fish)
	@# Folders go if nothing is left in them.
	@rmdir $(addprefix "$(DESTDIR)",/usr/lib/onset/jobs /usr/lib/onset/bin /usr/lib/onset/rc/bin /usr/lib/onset/rc \
		/usr/lib/onset /usr/share/doc/onset) 2>/dev/null || true

.PHONY: doc
doc: setup ## Build the documentation of the code (target/doc)
	cargo doc --workspace --no-deps --locked

.PHONY: clean
clean: ## Remove what was built, but for the tools in target/tools
	@[ ! -d $(OUT) ] || find $(OUT) -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} +
