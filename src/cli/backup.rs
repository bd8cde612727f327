//! `heeler backup`: from the service where there is one, else from the store.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::args::{BackupArgs, StockArgs};
use super::exit::Failure;
use super::output::{counted, say};
use super::{fetch, settings, token};
use crate::service::stock::{self, OpenError, Summary};

pub(super) fn run(args: &BackupArgs) -> Result<(), Failure> {
    let Summary { rev, rows, bytes } = made(args)?;
    say(&format!("{}: {} of revision {}, {bytes} bytes", args.to.display(), counted(rows, "row"), rev.0));
    Ok(())
}

fn made(args: &BackupArgs) -> Result<Summary, Failure> {
    if let Some(server) = &args.server {
        return fetched(args, server);
    }
    let store = settings::for_stock(&args.stock)?;
    match stock::back_up(&store, &args.to) {
        // Whoever uses it is most likely its service.
        Err(stock::Error::Open(OpenError::InUse { .. })) if !args.offline => {
            fetched(args, &address(&args.stock)?.to_string())
        }
        made => Ok(made?),
    }
}

/// Where the service of the file is, as seen from this machine.
fn address(args: &StockArgs) -> Result<SocketAddr, Failure> {
    let mut address = settings::for_address(args)?.server.listen;
    if address.port() == 0 {
        let detail = "the store is in use, and the file does not say at which port its service listens: say --server";
        return Err(Failure::Usage(detail.to_owned()));
    }
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(address)
}

fn fetched(args: &BackupArgs, server: &str) -> Result<Summary, Failure> {
    let to: &Path = &args.to;
    let mut draft = stock::draft(to)?;
    let who = token::authorization(args.token_file.as_deref())?;
    fetch::backup(server, who, |bytes| draft.write(bytes))?;
    Ok(draft.finish().map_err(|error| stock::of_backup(to, error))?)
}
