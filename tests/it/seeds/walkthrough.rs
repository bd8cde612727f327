//! The walkthrough of the example, run as a reader would.

use std::process::{Command, Stdio};

use super::{serve, world};

#[test]
fn the_walkthrough_goes_as_it_says() {
    let world = world();
    let service = serve(&world);
    let output = Command::new("sh")
        .args(["walkthrough.sh", &format!("http://{}", service.address)])
        .current_dir(world.path())
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("all is as it should be\n"), "{said}");
}
