# Short names for what is typed every day.

# everything that CI checks
ci:
    .ci/run

# all tests
test *args:
    cargo test --locked {{args}}

# lints as CI sees them
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# look at changed snapshots
review:
    cargo insta review

# plan against worlds in memory
rehearse:
    cargo run --example rehearsal

# the program as it is given away: the same bytes from whatever folder (docs/CONTRIBUTING.md)
release target="/tmp/tidal-cleanup-release":
    CARGO_TARGET_DIR={{target}} SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" \
    RUSTFLAGS="--remap-path-prefix=$PWD=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
        cargo build --release --locked

# the small world
demo dir="tidal-cleanup-demo":
    cargo run --release -- demo {{dir}}

# the documentation in a browser
doc:
    cargo doc --no-deps --open
