//! What can be wrong with secrets, and with programs that are given them.

use insta::assert_snapshot;

use super::refusal;

#[test]
fn a_secret_that_cannot_be_had_is_named_with_its_place_and_never_with_its_value() {
    let text = r#"
[secrets]
A = { env = "NOPE" }
B = { env = "EMPTY" }
C = { file = "nope.token" }
D = { file = "empty.token" }
E = { file = "nul.token" }
F = { file = "long.token" }
G = { env = "HOOK_TOKEN", file = "hook.token" }
H = {}
I = "canary"
J = { environment = "HOOK_TOKEN" }
"k-l" = { env = "HOOK_TOKEN" }
M = { file = "" }
"#;
    let refusal = refusal(text);
    assert!(!refusal.contains("canary") && !refusal.contains("can\0ary"), "{refusal}");
    assert_snapshot!(refusal);
}

#[test]
fn what_no_program_can_be_held_to_is_refused() {
    let text = r#"
[operations.a.exec]
command = ["true"]
scratch = "yes"
user = ""
group = -1
secrets = { "a/b" = "x", ".." = "x", "" = "x", ok = 5 }
[operations.a.exec.limits]
memory = "1MiB"
cpu = "half"
cpu_time = "0s"
processes = 0
files = 2
file_size = "-1"
disk = "1GiB"
[operations.b.exec]
command = ["true"]
user = "a:b"
limits = { cpu = "0%", memory = true }
secrets = "token"
"#;
    assert_snapshot!(refusal(text));
}

#[test]
fn a_template_refers_to_what_is_declared_and_only_where_nobody_else_sees_it() {
    let text = r#"
[secrets]
HOOK = { env = "HOOK_TOKEN" }
BROKEN = { env = "NOPE" }

[operations.right]
exec = { command = ["true", "${env.LANG}"], env = { A = "Bearer ${secret.HOOK}", B = "${secret.BROKEN}" } }
[operations.undeclared]
exec = { command = ["true"], env = { A = "x ${secret.HOOKS}", B = "${size(secret.NO)}", C = "${secret[input.name]}" } }
[operations.argument]
exec = { command = ["true", "--token=${secret.HOOK}"], env = { PATH = "/bin:${secret.HOOK}" } }
[operations.environment]
exec = { command = ["true", "${env.HOOK_TOKEN}"], env = { A = "${env[input.name]}", B = "${env}" } }
"#;
    assert_snapshot!(refusal(text));
}
