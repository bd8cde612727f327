//! What `--help` says, to the letter.

use insta::assert_snapshot;

use super::world::{NOTES, World};

fn help(arguments: &[&str]) -> String {
    let ended = World::with(NOTES).run(arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "asking for help is no error");
    ended.stdout
}

#[test]
fn the_help_of_the_command() {
    assert_snapshot!(help(&["--help"]));
}

#[test]
fn the_help_of_serve() {
    assert_snapshot!(help(&["serve", "--help"]));
}

#[test]
fn the_help_of_demo() {
    assert_snapshot!(help(&["demo", "--help"]));
}

#[test]
fn the_help_of_check() {
    assert_snapshot!(help(&["check", "--help"]));
}

#[test]
fn the_help_of_backup() {
    assert_snapshot!(help(&["backup", "--help"]));
}

#[test]
fn the_help_of_restore() {
    assert_snapshot!(help(&["restore", "--help"]));
}

#[test]
fn what_completes_the_command_knows_its_subcommands_in_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = help(&["completions", shell]);
        for word in ["serve", "backup", "restore", "replace", "completions"] {
            assert!(script.contains(word), "{word} in {shell}");
        }
    }
    let ended = World::with(NOTES).run(&["completions", "tcsh"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
}

#[test]
fn the_help_of_apply() {
    assert_snapshot!(help(&["apply", "--help"]));
}

#[test]
fn the_help_of_whatever_asks_a_service_is_there_with_examples() {
    for command in ["get", "diff", "apply", "delete", "run", "cancel", "logs", "jobs", "wait", "watch"] {
        let said = help(&[command, "--help"]);
        assert!(
            said.contains(&format!("\n  heeler {command} ")) && said.contains("--server <URL>"),
            "{command}: {said}"
        );
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(help(&["--version"]), concat!("heeler ", env!("CARGO_PKG_VERSION"), "\n"));
}
