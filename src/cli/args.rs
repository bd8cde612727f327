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
    /// Write everything that is stored into one file
    ///
    /// The backup is the store as it was at one moment. Where a service uses the store, that service gives it out, to
    /// admins; where none does, the store itself is read, and is in use meanwhile. The file appears when it is whole and
    /// was read again; an older backup there is replaced, and nothing else is.
    Backup(BackupArgs),
    /// Make a store of a backup
    ///
    /// The whole backup is read and judged before anything is put in place. Every version that clients know becomes one
    /// of the past: no tag is ever given out twice, and who follows the changes begins anew. What was running when the
    /// backup was made is looked for as after a crash.
    Restore(RestoreArgs),
    /// Look at everything in a store that no service uses, and change nothing
    ///
    /// Each finding is one line on standard output.
    Verify(StockArgs),
    /// Give back to the disk what a store that no service uses no longer needs
    Compact(StockArgs),
    /// Print what completes this command in a shell
    ///
    /// For bash: `heeler completions bash > ~/.local/share/bash-completion/completions/heeler`
    Completions(CompletionsArgs),
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

/// Which store is meant.
#[derive(Debug, Args)]
pub(super) struct StockArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,
    /// That store instead of the file's: `redb:PATH`; the file is then not read
    #[arg(long, value_name = "URL", env = "HEELER_STORE", hide_env_values = true, value_parser = store)]
    pub(super) store: Option<StoreUrl>,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Where the backup goes
    #[arg(value_name = "TO")]
    pub(super) to: PathBuf,
    #[command(flatten)]
    pub(super) stock: StockArgs,
    /// Ask the service there, and look at no store; by default the one at the file's address, where the store is in use
    #[arg(long, value_name = "URL", env = "HEELER_SERVER", hide_env_values = true, value_parser = server)]
    pub(super) server: Option<String>,
    /// Show the token of an admin in this file; without it that in the environment variable HEELER_TOKEN, if there is one
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Read the store itself, and ask no service
    #[arg(long, conflicts_with = "server")]
    pub(super) offline: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FROM")]
    pub(super) from: PathBuf,
    #[command(flatten)]
    pub(super) stock: StockArgs,
    /// Put a store aside that is there already, under a name that is printed
    #[arg(long)]
    pub(super) replace: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

/// Reads where a service is: `http://HOST:PORT`; what comes of it is `HOST:PORT`.
fn server(text: &str) -> Result<String, String> {
    let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
            Ok(authority.to_owned())
        }
        Some(_) | None => Err("expected a service such as http://127.0.0.1:7117".to_owned()),
    }
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
