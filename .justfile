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

# the small world
demo dir="tidal-cleanup-demo":
    cargo run --release -- demo {{dir}}

# the documentation in a browser
doc:
    cargo doc --no-deps --open
