//! Lays flags and environment over the file.

use std::path::PathBuf;

use super::args::{CheckArgs, InsecureArg, OpenapiArgs, ServeArgs, StockArgs};
use super::exit::Failure;
use crate::config::{Config, StoreUrl};
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

/// The file of the store that is meant.
pub(super) fn for_stock(args: &StockArgs) -> Result<PathBuf, Failure> {
    let url = match &args.store {
        Some(url) => url.clone(),
        None => for_address(args)?.store,
    };
    match url {
        StoreUrl::Redb(path) => Ok(path),
        StoreUrl::Memory => Err(Failure::Usage("a store in memory is gone with its service: name a file".to_owned())),
    }
}

/// What the file says, for who only wants to know where things are.
pub(super) fn for_address(args: &StockArgs) -> Result<Config, Failure> {
    Ok(Heeler::builder().config_file(&args.config.config).exposed().config()?)
}

fn meant(builder: Builder, insecure: &InsecureArg) -> Builder {
    if insecure.insecure { builder.exposed() } else { builder }
}
