//! What can be said to the command: subcommands, flags, and the variables of
//! the environment that stand in for flags.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::exit;
use super::remote::RemoteCommand;
use crate::config::StoreUrl;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// Brings resources to heel.
///
/// Clients write what they want into JSON documents, over plain HTTP; Heeler runs the jobs that follow, once, and shows
/// in the same documents how far they got.
#[derive(Debug, Parser)]
#[command(name = "heeler", version, styles = STYLES, max_term_width = 100, after_help = exit::HELP)]
#[command(disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve resources and run their jobs
    ///
    /// Once ready, one line on standard output says where: `listening on http://127.0.0.1:7117`. Logs go to standard
    /// error. SIGTERM or SIGINT: requests under way are answered, the store is closed, and programs that run go on; the
    /// next start finds them. A second signal ends the service at once.
    Serve(ServeArgs),
    /// See it work: a service of its own, real files, real programs
    ///
    /// Starts a service with an embedded store in a temporary folder, asks it over HTTP to process some files of this
    /// machine, and shows how far that got. Then it goes on serving, so that you can try the requests that it prints,
    /// until Ctrl-C; then the folder is removed.
    Demo(DemoArgs),
    /// Say whether a configuration is right
    ///
    /// Each error is one line on standard error, `file:line:column: message`. Nothing is opened or started.
    Check(CheckArgs),
    /// Print the OpenAPI document of a configuration
    ///
    /// The service itself serves it at `/openapi.json`.
    Openapi(OpenapiArgs),
    #[command(flatten)]
    Remote(RemoteCommand),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(super) struct ConfigArg {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "HEELER_CONFIG", hide_env_values = true, default_value = "heeler.toml")]
    pub(super) config: PathBuf,
}

/// Whether it is meant that everybody can do everything.
#[derive(Debug, Args)]
pub(super) struct InsecureArg {
    /// Take an address that others can reach, though nobody is asked who they are (there is no `[auth]`)
    #[arg(long, env = "HEELER_INSECURE", hide_env_values = true, value_parser = is_meant)]
    pub(super) insecure: bool,
}

/// What is written to standard error.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or by module: `warn,heeler::engine=debug`
    #[arg(long, value_name = "FILTER", env = "HEELER_LOG", hide_env_values = true)]
    pub(super) log: Option<String>,
    /// How logs are written
    #[arg(long, value_name = "FORMAT", env = "HEELER_LOG_FORMAT", hide_env_values = true, default_value = "human")]
    pub(super) log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// A line of text for people
    Human,
    /// A line of JSON for programs
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,
    /// Listen there instead of where the file says; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", env = "HEELER_LISTEN", hide_env_values = true, value_parser = address)]
    pub(super) listen: Option<SocketAddr>,
    /// Keep everything there instead of where the file says: `redb:PATH`, or `memory:` for trials
    #[arg(long, value_name = "URL", env = "HEELER_STORE", hide_env_values = true, value_parser = store)]
    pub(super) store: Option<StoreUrl>,
    #[command(flatten)]
    pub(super) insecure: InsecureArg,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// End once all is done, and remove everything
    #[arg(long)]
    pub(super) once: bool,
    /// Listen there; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), value_parser = address)]
    pub(super) listen: SocketAddr,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,
    #[command(flatten)]
    pub(super) insecure: InsecureArg,
}

#[derive(Debug, Args)]
pub(super) struct OpenapiArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,
    /// Write it there as `openapi.json`, and the JSON Schemas of the service's own types beside it
    #[arg(long, value_name = "FOLDER")]
    pub(super) into: Option<PathBuf>,
}

/// Reads what a variable says that stands in for a flag. An empty one says nothing.
fn is_meant(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port such as 127.0.0.1:7117".to_owned())
}

/// Reads the URL of a store; a relative path starts at the current folder.
fn store(text: &str) -> Result<StoreUrl, String> {
    let here =
        std::path::absolute(Path::new(".")).map_err(|error| format!("the current folder is unknown: {error}"))?;
    StoreUrl::parse(text, &here).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_holds_together() {
        Cli::command().debug_assert();
    }
}
