//! `run`, `wait`, `logs`, `cancel` and `delete`.

use super::Service;

fn job(service: &Service, arguments: &[&str]) -> String {
    let ended = service.run(&[&["run", "-o", "name"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim_end().to_owned()
}

#[test]
fn a_job_is_launched_and_the_exit_code_says_how_it_ended() {
    let service = Service::start();
    service.put("videos/42", r#"{"processing":{"operation":"nap","input":{"seconds":0}}}"#);
    service.put("dogs/rex", "{}");
    assert_eq!(service.done(&["run", "videos/42"]), "jobs/ID queued\n");
    assert_eq!(service.done(&["run", "videos/42", "--wait"]), "jobs/ID queued\njobs/ID succeeded\n");
    assert_eq!(service.done(&["run", "dogs/rex/tricks", "--operation", "say"]), "jobs/ID queued\n");
    let shown = service.done(&["run", "videos/42", "--operation", "say", "--wait", "-o", "json"]);
    assert!(shown.contains("\"phase\": \"succeeded\""), "{shown}");
    let failed = service.run(&["run", "videos/42", "--operation", "fail", "--wait"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains(": failed: exited with code 3; its output ends with `no`"), "{failed:?}");
    service.write("input.json", r#"{"seconds":600}"#);
    let late = service.run(&["run", "videos/42", "--input", "@input.json", "--wait=500ms"]);
    assert_eq!(late.code, Some(6), "{late:?}");
    assert!(late.stderr.contains(": time is up: "), "{late:?}");
    for (arguments, expected) in [
        (&["--input", "{"][..], "--input:1:"),
        (&["--input", "@none"], "none cannot be read"),
        (&["--operation", "dance"], "422 Unprocessable Entity"),
    ] {
        let ended = service.run(&[&["run", "videos/42"], arguments].concat());
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn several_things_are_waited_for_and_the_worst_end_counts() {
    let service = Service::start();
    service.put("videos/42", "{}");
    service.put("videos/43", "{}");
    let good = job(&service, &["videos/42", "--operation", "say"]);
    let bad = job(&service, &["videos/43", "--operation", "fail"]);
    let waited = service.run(&["wait", &good, &bad, "videos/42", "videos/43"]);
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert_eq!(waited.stdout, format!("{good} succeeded\nvideos/42 succeeded\n"));
    assert!(waited.stderr.contains(&format!("heeler: {bad}: failed: ")), "{waited:?}");
    assert!(waited.stderr.contains("heeler: videos/43: processing failed: "), "{waited:?}");
    let endless = job(&service, &["videos/43", "--operation", "nap", "--input", r#"{"seconds":600}"#]);
    let late = service.run(&["wait", &endless, &bad, "--timeout", "500ms"]);
    assert_eq!(late.code, Some(6), "not to know how it ends is worse than to know: {late:?}");
    let slow = job(&service, &["videos/42", "--operation", "nap", "--input", r#"{"seconds":1}"#]);
    assert_eq!(service.done(&["wait", "videos/42"]), "videos/42 succeeded\n", "the end is heard of");
    assert_eq!(service.done(&["wait", &slow]), "jobs/ID succeeded\n");
}

#[test]
fn logs_are_printed_whole_in_part_or_through_all_attempts() {
    let service = Service::start();
    service.put("videos/42", "{}");
    let said = job(&service, &["videos/42", "--operation", "say"]);
    service.done(&["wait", &said]);
    assert_eq!(service.done(&["logs", "videos/42", "--stream", "stdout"]), "said\n");
    assert_eq!(service.done(&["logs", &said, "--stream", "stderr"]), "complained\n");
    assert_eq!(service.done(&["logs", &said, "--stream", "stderr", "--timestamps"]), "TIME stderr complained\n");

    let twice = job(&service, &["videos/42/processing", "--operation", "twice"]);
    let followed = service.run(&["logs", &twice, "-f"]);
    assert_eq!((followed.code, followed.stdout.as_str()), (Some(0), "try 1\ntry 2\n"), "{followed:?}");
    assert_eq!(followed.stderr, "attempt 2\n");
    assert_eq!(service.done(&["logs", &twice]), "try 2\n");
    assert_eq!(service.done(&["logs", &twice, "--attempt", "1"]), "try 1\n");
}

#[test]
fn a_job_or_all_of_a_resource_are_cancelled() {
    let service = Service::start();
    service.put("videos/42", "{}");
    let nap = &["--operation", "nap", "--input", r#"{"seconds":600}"#];
    let one = job(&service, &[&["videos/42"][..], nap].concat());
    job(&service, &[&["videos/42"][..], nap].concat());
    assert_eq!(service.done(&["cancel", &one, "--wait"]), "jobs/ID canceled\n");
    assert_eq!(service.done(&["jobs", "--phase", "canceled"]).lines().count(), 2, "the head and one job");
    job(&service, &[&["videos/42"][..], nap].concat());
    assert_eq!(service.done(&["cancel", "videos/42", "--wait"]), "jobs/ID canceled\njobs/ID canceled\n");
    let none = service.run(&["cancel", "videos/42/processing"]);
    assert_eq!((none.code, none.stderr.as_str()), (Some(0), "videos/42/processing has no unfinished jobs\n"));
    assert_eq!(service.done(&["cancel", &one]), "jobs/ID canceled\n", "it stays as it ended");
    let waited = service.run(&["wait", &one]);
    assert_eq!((waited.code, waited.stdout.as_str()), (Some(1), ""), "work that was cancelled did not succeed");
    assert_eq!(service.done(&["wait", "videos/42"]), "videos/42 canceled\n", "its document asks for none");
}

#[test]
fn a_resource_is_gone_once_its_jobs_have_stopped() {
    let service = Service::start();
    service.put("videos/42", r#"{"processing":{"operation":"nap","input":{"seconds":600}}}"#);
    service.put("videos/43", "{}");
    let wrong = service.run(&["delete", "videos/43", "--if-match", "0.0"]);
    assert_eq!(wrong.code, Some(5), "{wrong:?}");
    let waited = service.done(&["delete", "videos/42", "videos/43", "--wait"]);
    assert_eq!(waited, "videos/42 deleted\nvideos/43 deleted\n");
    assert_eq!(service.done(&["get", "videos"]), "");
}
