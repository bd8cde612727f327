//! How pages look, and what alone they may do.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest, Sha256};

/// The one style of all pages.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1rem}\
a{text-underline-offset:.15em}\
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.2rem 1rem;margin:0}\
dt{font-weight:600;overflow-wrap:anywhere}\
dd{margin:0;min-width:0;overflow-wrap:anywhere}\
dd dl{border-inline-start:2px solid #8886;padding-inline-start:.75rem}\
table{border-collapse:collapse;display:block;overflow-x:auto}\
td,th{border-bottom:1px solid #8886;padding:.25rem .75rem .25rem 0;text-align:start;vertical-align:top}\
pre{margin:0;overflow-x:auto;white-space:pre-wrap}\
form{margin:1rem 0}\
label{display:block;font-weight:600}\
input,select,textarea{font:inherit;max-width:100%}\
textarea{min-height:6rem;width:40rem}\
nav ol{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;margin:0;padding:0}\
nav li+li::before{content:\"/ \"}";

/// Nothing is loaded, nothing runs, nobody frames it, and forms are for us alone.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).expect("a policy is made of what a header may hold")
});
