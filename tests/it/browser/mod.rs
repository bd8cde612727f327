//! The front end of the examples in a real browser, on another origin than the service.
//!
//! Needs `chromedriver` and the browser that it belongs to (Debian: `chromium-driver`). Where they are missing these
//! tests say so and are skipped, unless `HEELER_BROWSER=required` is set, as `.ci/run` does: then they fail.

mod driver;
mod editing;
mod merging;
mod site;
mod watching;
mod world;

use std::io::Write;

use self::world::Stage;

/// The stage of a test, when it is its turn; nothing where there is no browser.
fn stage() -> Option<Stage> {
    if !driver::is_here() {
        let needed = std::env::var_os("HEELER_BROWSER").is_some_and(|value| value == "required");
        assert!(!needed, "HEELER_BROWSER=required, and there is no chromedriver on the PATH");
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        // Not `eprintln`, which is only shown of tests that fail.
        let said = format!("{name}: skipped, since there is no chromedriver on the PATH\n");
        std::io::stderr().write_all(said.as_bytes()).expect("standard error is open");
        return None;
    }
    Some(Stage::new())
}
