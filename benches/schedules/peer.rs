//! The same schedules, held by tokio-cron-scheduler.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heeler::clock::{Clock as _, SystemClock};
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::heeler::{cron_of, in_a_while};
use crate::storm::Storm;

/// How long after the second the last run is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn storm(ticks: usize) -> Storm {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let scheduler = JobScheduler::new().await.unwrap();
        // Telling it of the jobs takes a while too.
        let at = in_a_while(Duration::from_secs(15 + ticks as u64 / 2000));
        let times: Arc<Vec<AtomicUsize>> = Arc::new((0..ticks).map(|_| AtomicUsize::new(0)).collect());
        let late = Arc::new(Mutex::new(Vec::new()));
        for index in 0..ticks {
            let (times, late) = (Arc::clone(&times), Arc::clone(&late));
            let job = Job::new_async(cron_of(at).as_str(), move |_, _| {
                let (times, late) = (Arc::clone(&times), Arc::clone(&late));
                Box::pin(async move {
                    times[index].fetch_add(1, Ordering::Relaxed);
                    late.lock().unwrap().push(SystemClock.now().since(at));
                })
            });
            scheduler.add(job.unwrap()).await.unwrap();
        }
        assert!(SystemClock.now() < at, "the jobs were not told in time");
        scheduler.start().await.unwrap();
        tokio::time::sleep(at.since(SystemClock.now()) + PATIENCE).await;
        let times: Vec<usize> = times.iter().map(|times| times.load(Ordering::Relaxed)).collect();
        let late = late.lock().unwrap().clone();
        Storm::new(&times, late)
    })
}

/// Holds schedules that are due once a year, until it is killed.
pub(crate) fn hold(count: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let begin = Instant::now();
        let scheduler = JobScheduler::new().await.unwrap();
        for index in 0..count {
            let job = Job::new_async(format!("{} {} 3 1 1 *", index % 60, index / 60 % 60).as_str(), |_, _| {
                Box::pin(async {})
            });
            scheduler.add(job.unwrap()).await.unwrap();
        }
        scheduler.start().await.unwrap();
        println!("ready {}", begin.elapsed().as_secs_f64());
        std::future::pending::<()>().await;
    });
}
