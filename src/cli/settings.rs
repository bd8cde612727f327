//! Lays flags and environment over the file.

use super::args::{CheckArgs, InsecureArg, OpenapiArgs, ServeArgs};
use super::exit::Failure;
use crate::config::Config;
use crate::service::{Builder, Heeler};

/// What `openapi` describes.
pub(super) fn for_openapi(args: &OpenapiArgs) -> Result<Config, Failure> {
    Ok(Heeler::builder().config_file(&args.config.config).exposed().config()?)
}

/// What `serve` goes by.
pub(super) fn for_serve(args: &ServeArgs) -> Builder {
    let mut builder = meant(Heeler::builder().config_file(&args.config.config), &args.insecure);
    if let Some(listen) = args.listen {
        builder = builder.listen(listen);
    }
    if let Some(store) = &args.store {
        builder = builder.store(store.clone());
    }
    builder
}

/// What `serve` would find in the file.
pub(super) fn for_check(args: &CheckArgs) -> Result<Config, Failure> {
    Ok(meant(Heeler::builder().config_file(&args.config.config), &args.insecure).config()?)
}

fn meant(builder: Builder, insecure: &InsecureArg) -> Builder {
    if insecure.insecure { builder.exposed() } else { builder }
}
