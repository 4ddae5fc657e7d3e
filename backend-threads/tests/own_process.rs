//! What only a process of its own can show: its umask, the descriptors that it was started with, the limit on them, its
//! directory. Each test starts this same program again to run one of the ignored tests below as the child.

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use cherrystone_threads::sockets::{
    AcceptError, BindAddr, BindError, Interest, Listener, Options, UnixMode, bind, inherited, wait,
};

/// Runs a shell script that ends in `exec "$CHILD"`, the ignored test `name`, and expects it to succeed.
fn child(name: &str, script: &str, prepare: impl FnOnce(&mut Command)) {
    let mut command = Command::new("sh");
    command.arg("-ec").arg(format!("{script}\nexec \"$CHILD\" --ignored --exact {name} --nocapture"));
    command.env("CHILD", env::current_exe().unwrap()).stdin(Stdio::null());
    prepare(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn the_mode_does_not_depend_on_the_umask() {
    for umask in ["077", "000", "777"] {
        child("child_modes", &format!("umask {umask}"), |_| {});
    }
}

#[test]
#[ignore = "runs as a child"]
fn child_modes() {
    let dir = env::temp_dir().join(format!("cherrystone-modes-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    for mode in [UnixMode::OWNER, UnixMode::GROUP, UnixMode::EVERYBODY] {
        let path = dir.join("x.sock");
        let mut options = Options::default();
        options.unix_mode = Some(mode);
        let listener = bind(&BindAddr::Unix(path.clone()), &options).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode.bits());
        drop(listener);
    }
    fs::remove_dir(&dir).unwrap();
}

#[test]
fn a_service_manager_can_pass_listeners() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let clients = (TcpStream::connect(tcp.local_addr().unwrap()).unwrap(), UnixStream::connect(&path).unwrap());
    let script = "exec 3<&0 4<&1 1>&2\nexport LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:local";
    let mut command = Command::new("sh");
    command.arg("-ec").arg(format!("{script}\nexec \"$CHILD\" --ignored --exact child_activated"));
    command.env("CHILD", env::current_exe().unwrap()).env("SOCKET", &path);
    command.stdin(OwnedFd::from(tcp.try_clone().unwrap())).stdout(OwnedFd::from(unix.try_clone().unwrap()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 passed"));
    // The child has stopped; its parent's listeners and the file are as they were.
    assert!(path.exists());
    let _next = UnixStream::connect(&path).unwrap();
    unix.accept().unwrap();
    drop(clients);
}

#[test]
#[ignore = "runs as a child"]
fn child_activated() {
    let found = inherited(&Options::default()).unwrap();
    let names: Vec<_> = found.iter().map(|passed| passed.name.as_deref()).collect();
    assert_eq!(names, [Some("web"), Some("local")]);
    assert!(found[0].listener.local_addr().tcp().is_some());
    assert_eq!(found[1].listener.local_addr().to_string(), format!("unix:{}", env::var("SOCKET").unwrap()));
    for passed in &found {
        assert!(passed.listener.is_inherited());
        wait(&passed.listener, Interest::Readable, soon()).unwrap();
        passed.listener.accept().unwrap();
        passed.listener.close();
    }
    assert_eq!(bind(&BindAddr::Activated, &Options::default()).unwrap().len(), 2);
    assert_eq!(bind(&"fd:3".parse().unwrap(), &Options::default()).unwrap().len(), 1);
}

#[test]
fn listeners_meant_for_another_process_are_ignored() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    child("child_not_meant", "exec 3<&0\nexport LISTEN_PID=1 LISTEN_FDS=1", |command| {
        command.stdin(OwnedFd::from(tcp));
    });
}

#[test]
#[ignore = "runs as a child"]
fn child_not_meant() {
    assert!(inherited(&Options::default()).unwrap().is_empty());
    assert!(matches!(bind(&BindAddr::Activated, &Options::default()), Err(BindError::Activation { .. })));
}

#[test]
fn a_passed_descriptor_that_does_not_listen_is_named() {
    child("child_wrong_descriptor", "exec 3</dev/null\nexport LISTEN_PID=$$ LISTEN_FDS=1", |_| {});
}

#[test]
#[ignore = "runs as a child"]
fn child_wrong_descriptor() {
    let error = inherited(&Options::default()).unwrap_err().to_string();
    assert!(error.contains("descriptor 3") && error.contains("not a socket"), "{error}");
}

#[test]
fn a_relative_path_is_removed_from_another_directory() {
    let dir = tempfile::tempdir().unwrap();
    child("child_changes_directory", "", |command| {
        command.current_dir(dir.path());
    });
    assert!(!dir.path().join("x.sock").exists());
}

#[test]
#[ignore = "runs as a child"]
fn child_changes_directory() {
    let listener = bind(&"unix:x.sock".parse().unwrap(), &Options::default()).unwrap();
    assert!(Path::new("x.sock").exists());
    env::set_current_dir("/").unwrap();
    drop(listener);
}

#[test]
fn running_out_of_descriptors_is_a_pause() {
    child("child_without_descriptors", "ulimit -n 40", |_| {});
}

#[test]
#[ignore = "runs as a child"]
fn child_without_descriptors() {
    let listener: Listener = bind(&"127.0.0.1:0".parse().unwrap(), &Options::default()).unwrap().remove(0);
    let mut client = TcpStream::connect(listener.local_addr().tcp().unwrap()).unwrap();
    client.write_all(b"hello").unwrap();
    wait(&listener, Interest::Readable, soon()).unwrap();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(matches!(listener.accept(), Err(AcceptError::Pause(_))));
    hoard.pop();
    let server = listener.accept().unwrap();
    assert_eq!(server.recv(&mut [0; 8], soon()).unwrap(), 5);
}

#[test]
fn descriptors_above_1024_work() {
    child("child_with_many_descriptors", "ulimit -n 4096", |_| {});
}

#[test]
#[ignore = "runs as a child"]
fn child_with_many_descriptors() {
    let _hoard: Vec<File> = (0..1500).map(|_| File::open("/dev/null").unwrap()).collect();
    let listener: Listener = bind(&"127.0.0.1:0".parse().unwrap(), &Options::default()).unwrap().remove(0);
    let mut client = TcpStream::connect(listener.local_addr().tcp().unwrap()).unwrap();
    wait(&listener, Interest::Readable, soon()).unwrap();
    let server = listener.accept().unwrap();
    let short = Instant::now() + Duration::from_millis(20);
    assert_eq!(server.recv(&mut [0; 8], short).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    client.write_all(b"hello").unwrap();
    assert_eq!(server.recv(&mut [0; 8], soon()).unwrap(), 5);
}
