//! The same work, done by queues of others: a program of Node asks them.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{Amount, CALLERS, Figures, RUNNING};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/jobs/peer.js");

/// Measures a queue, or says why it is left out.
pub(crate) fn measure(name: &str, amount: Amount) -> Result<Figures, String> {
    let (server, package, variable, default) = match name {
        "bullmq" => ("Redis", "bullmq", "HEELER_BENCH_REDIS", "127.0.0.1:16379"),
        _ => ("PostgreSQL", "graphile-worker", "HEELER_BENCH_POSTGRES", "127.0.0.1:15432"),
    };
    let address = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let reached: SocketAddr = address.parse().map_err(|_| format!("`{variable}` is no address and port"))?;
    if TcpStream::connect_timeout(&reached, Duration::from_secs(1)).is_err() {
        return Err(format!("no {server} answers at {address} (`{variable}`)"));
    }
    let folder: PathBuf = std::env::var_os("HEELER_BENCH_PEERS").unwrap_or_default().into();
    if !folder.join("node_modules").join(package).is_dir() {
        return Err(format!("`HEELER_BENCH_PEERS` names no folder with node_modules/{package}"));
    }
    let output = Command::new("node")
        .arg(PROGRAM)
        .args([name, &address, &amount.starts.to_string(), &amount.jobs.to_string()])
        .args([CALLERS.to_string(), RUNNING.to_string()])
        // The program is not where its packages are.
        .env("NODE_PATH", folder.join("node_modules"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("node cannot be run: {error}"))?;
    let told: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("it said nothing: {error}"))?;
    let figure = |name: &str| told[name].as_f64().ok_or_else(|| format!("it did not say `{name}`"));
    Ok(Figures {
        start_p50: figure("startP50")?,
        start_p99: figure("startP99")?,
        enqueues: figure("enqueues")?,
        jobs: figure("jobs")?,
    })
}
