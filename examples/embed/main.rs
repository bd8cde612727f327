//! A program that embeds Heeler: dogs bark, in a function of this very program.
//!
//! ```sh
//! cargo run --example embed                                   # in memory, at http://127.0.0.1:7117
//! cargo run --example embed redb:dogs.redb 127.0.0.1:8080     # kept in a file, somewhere else
//!
//! curl -X PUT http://127.0.0.1:7117/v1/dogs/rex -H 'Content-Type: application/json' -H 'Prefer: wait=10' \
//!      -d '{"name": "Rex", "barks": {"input": {"times": 3}}}'
//! curl http://127.0.0.1:7117/v1/dogs/rex/barks/last
//! curl -X PATCH http://127.0.0.1:7117/v1/dogs/rex -H 'If-Match: *' -H 'Content-Type: application/merge-patch+json' \
//!      -d '{"barks": {"schedule": {"every": "5s", "start": "now"}}}'
//! ```
//!
//! Ctrl-C ends it: a dog that barks has ten seconds to finish.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use heeler::{
    CollectionOptions, Heeler, NativeError, NativeJob, NativeResult, OperationOptions, RetryPolicy, StoreUrl,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a client says about how its dog is to bark.
#[derive(Debug, Deserialize)]
struct Bark {
    /// How often.
    times: u32,
    /// How many milliseconds a dog breathes between two barks.
    #[serde(default = "breath")]
    breath: u64,
}

const fn breath() -> u64 {
    200
}

/// Lets a dog bark. A function like this is all that an operation needs.
async fn bark(job: NativeJob) -> NativeResult<Value> {
    // An input that is no `Bark` fails the job for good: another attempt would fail, too.
    let Bark { times, breath } = job.input()?;
    // The document of the dog, as it was when the job was started.
    let dog = job.resource();
    let name = dog["name"].as_str().unwrap_or("A dog");
    if dog["asleep"] == json!(true) {
        // Another attempt is made, as `retry` below says, but the dog sleeps for a while.
        let asleep = NativeError::new(format!("{name} is asleep")).reason("Asleep");
        return Err(asleep.retry_after(Duration::from_secs(60)));
    }
    for barked in 0..times {
        job.progress(f64::from(barked) / f64::from(times), format!("{name} barks"));
        job.log(format!("{name}: Woof!"));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(breath)) => {}
            // Somebody cancelled the job, or its time is over.
            () = job.canceled() => return Ok(json!({ "barked": barked + 1 })),
        }
    }
    // This becomes the result of the job.
    Ok(json!({ "barked": times }))
}

/// Serves dogs until it is told to stop.
pub(crate) async fn serve(
    store: StoreUrl,
    listen: SocketAddr,
    stop: impl Future<Output = ()>,
) -> Result<(), heeler::Error> {
    let dogs = CollectionOptions::default()
        .schema(json!({
            "type": "object",
            "required": ["name"],
            "properties": { "name": { "type": "string" }, "asleep": { "type": "boolean" } }
        }))
        .activity("barks", ["bark"]);
    let barking = OperationOptions::default()
        .description("Let a dog bark")
        .input_schema(json!({
            "type": "object",
            "required": ["times"],
            "properties": { "times": { "type": "integer", "minimum": 1, "maximum": 1000 }, "breath": { "type": "integer" } }
        }))
        .timeout(Duration::from_secs(60))
        .retry(RetryPolicy { attempts: 3, ..RetryPolicy::default() })
        .concurrency(16);
    let service = Heeler::builder()
        .collection("dogs", dogs)
        .operation_with("bark", barking, bark)
        .store(store)
        .listen(listen)
        .build()
        .await?;
    if let Some(address) = service.address() {
        say(&format!("listening on http://{address}"));
    }
    service.serve(stop).await
}

#[expect(clippy::print_stdout, reason = "this is what the program has to say")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let store = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:7117".to_owned());
    let stop = async {
        // Where there are no signals, nothing but a kill ends it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(serve(StoreUrl::parse(&store, Path::new(""))?, listen.parse()?, stop).await?)
}
