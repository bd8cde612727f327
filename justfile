# `just --list` shows what there is. Each recipe is one command that can be
# typed instead; .ci/run needs no just.

# Everything that must hold before a change is taken.
check:
    .ci/run

# The tests, or those whose names contain FILTER.
test *FILTER:
    cargo test {{FILTER}}

# The simulation, over more seeds than the tests run.
sim SEEDS="20000":
    SIM_SEEDS={{SEEDS}} cargo test --release --test sim -- --nocapture

# Writes schemas/ anew; a test says when they are stale.
schemas:
    cargo run -- openapi --config examples/heeler.toml --into schemas

# Accepts what the snapshots are now. Read the diff.
bless:
    INSTA_UPDATE=always cargo test

# What comes in with dependencies: advisories, licenses, sources (needs cargo-deny).
deny:
    cargo deny check

# Measures the wire. Numbers mean something on a quiet machine only.
bench *ARGS:
    cargo bench --bench wire -- {{ARGS}}

# Measures jobs against queues of others (see the top of `benches/jobs/main.rs`).
bench-jobs:
    cargo bench --bench jobs

# Shows it.
demo:
    cargo run --release -- demo
