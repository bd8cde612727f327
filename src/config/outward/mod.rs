//! What other services do: requests and letters.

mod http;
mod mail;

pub(super) use http::{http_spec, origin};
pub(super) use mail::{mail_spec, relay};
