//! The program that does the work: found and spawned, without a shell.

use std::fs::File;
use std::os::unix::fs::fchown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::log::Outputs;
use crate::runner::exec::record::{Private, Spec};
use crate::runner::exec::step::{BECOME, Bound, Plan, Refusal};
use crate::runner::exec::user::RunAs;

/// The work that was spawned.
#[derive(Debug)]
pub(super) struct Spawned {
    /// Its main process.
    pub(super) main: Pid,
    /// Where that says that it could not become the work.
    pub(super) refusal: Option<Refusal>,
}

/// What the work is spawned with.
pub(super) struct Given<'g> {
    pub(super) spec: &'g Spec,
    pub(super) private: &'g Private,
    /// What it has to be held to by itself.
    pub(super) bounds: Vec<Bound>,
}

/// Spawns the work in its own process group, with nothing of this process but
/// its user, and not even that if it is to run as another.
///
/// # Errors
/// It cannot be started: what is wrong and what can be done, for people.
pub(super) fn spawn(given: Given<'_>, stdin: File, output: Outputs) -> Result<Spawned, String> {
    let Given { spec, private, bounds } = given;
    let name = spec.command.first().ok_or("there is no command")?;
    if !spec.cwd.is_dir() {
        return Err(format!(
            "the working directory `{}` is not there; create it or change `cwd` of the operation",
            spec.cwd.display()
        ));
    }
    let path = private.env.get("PATH").map_or("", String::as_str);
    let program = find(name, path, &spec.cwd)?;
    let Outputs { stdout, stderr } = output;
    if let Some(RunAs { uid, gid }) = spec.run_as {
        // Programs open these once more, as `/dev/stdin` and the like. Most do not.
        let _ = fchown(&stdin, Some(uid), Some(gid));
        let _ = fchown(&stdout, Some(uid), Some(gid));
        let _ = fchown(&stderr, Some(uid), Some(gid));
    }
    let needs_step = spec.run_as.is_some() || spec.temporary.cgroup.is_some() || !bounds.is_empty();
    let refusal = needs_step.then(Refusal::new).transpose().map_err(|error| format!("no memory file: {error}"))?;
    let mut command = match &refusal {
        None => Command::new(&program),
        Some(refusal) => {
            let plan = Plan {
                refusal: refusal.number(),
                cgroup: spec.temporary.cgroup.clone(),
                bounds,
                run_as: spec.run_as,
                program: program.clone(),
                cwd: spec.cwd.clone(),
            };
            let plan = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
            let mut command = Command::new("/proc/self/exe");
            command.arg(BECOME).arg(plan).arg(name);
            command
        }
    };
    if refusal.is_none() {
        command.arg0(name).current_dir(&spec.cwd);
    }
    command
        .args(&spec.command[1..])
        .env_clear()
        .envs(&private.env)
        .process_group(0)
        .stdin(stdin)
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    // Reaped with everything else of the tree, not through its handle.
    let spawned = command.spawn().map(|child| Pid::from_child(&child));
    let main = spawned.map_err(|error| self::refusal(&program, &error))?;
    Ok(Spawned { main, refusal })
}

/// The file of a program: a name with a slash is a path from the working
/// directory, any other is looked up in `path`.
fn find(name: &str, path: &str, cwd: &Path) -> Result<PathBuf, String> {
    if name.contains('/') {
        return Ok(cwd.join(name));
    }
    // An empty entry once meant the working directory, which nobody wants today.
    let entries = path.split(':').filter(|entry| !entry.is_empty());
    let mut candidates = entries.map(|entry| cwd.join(entry).join(name));
    candidates.find(|file| is_program(file)).ok_or_else(|| {
        format!("the program `{name}` was not found in PATH ({path}); install it, or name it by its full path")
    })
}

fn is_program(file: &Path) -> bool {
    file.is_file() && accessat(CWD, file, Access::EXEC_OK, AtFlags::empty()).is_ok()
}

/// Why a program could not be started, for people.
pub(in crate::runner::exec) fn refusal(program: &Path, error: &std::io::Error) -> String {
    let program = program.display();
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => {
            format!("the program `{program}`, or the interpreter that its first line names, was not found; install it")
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            format!(
                "the program `{program}` may not be executed, or its working directory not be entered; check their modes and owners"
            )
        }
        Some(Errno::TOOBIG) => {
            format!("the arguments for `{program}` are too long; let it read its standard input instead")
        }
        Some(Errno::NOEXEC) => {
            format!("the file `{program}` is not a program; a script needs a first line such as `#!/bin/sh`")
        }
        _ => format!("the program `{program}` could not be started: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_up_in_path_and_nowhere_else() {
        let cwd = Path::new("/usr");
        for (name, path, want) in [
            ("sh", "/nowhere:/bin", Some("/bin/sh")),
            ("sh", "bin", Some("/usr/bin/sh")),
            ("bin/sh", "", Some("/usr/bin/sh")),
            ("/bin/sh", "", Some("/bin/sh")),
            ("sh", "", None),
            ("sh", ":", None),
            ("bin", "/usr", None),
        ] {
            let found = find(name, path, cwd).ok();
            assert_eq!(found.as_deref(), want.map(Path::new), "{name} in {path}");
        }
    }
}
