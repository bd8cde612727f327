//! Who asks: a token from a file or from the environment, and never from the
//! command line, which others can read.

use std::env::{self, VarError};
use std::fs;
use std::path::Path;

use http::HeaderValue;

use super::exit::Failure;

/// The environment variable with the token.
const TOKEN: &str = "HEELER_TOKEN";

/// What shows the token in the file, or else the one in the environment, if
/// there is one.
pub(super) fn authorization(file: Option<&Path>) -> Result<Option<HeaderValue>, Failure> {
    let (token, source) = match file {
        Some(path) => {
            let refuse = |error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
            (fs::read_to_string(path).map_err(refuse)?, path.display().to_string())
        }
        None => match env::var(TOKEN) {
            Ok(token) if token.trim().is_empty() => return Ok(None),
            Ok(token) => (token, TOKEN.to_owned()),
            Err(VarError::NotPresent) => return Ok(None),
            Err(VarError::NotUnicode(_)) => return Err(none(TOKEN)),
        },
    };
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(none(&source));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| none(&source))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn none(source: &str) -> Failure {
    Failure::Usage(format!("{source} holds no token: expected visible characters"))
}
