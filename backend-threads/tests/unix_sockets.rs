//! Listeners and streams over UNIX sockets: the file's life, and who is at the other end.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cherrystone_threads::sockets::{
    AcceptError, BindAddr, BindError, Interest, Listener, LocalAddr, Options, PeerAddr, PeerState, Stream, UnixMode,
    bind, wait,
};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn try_listen(path: &Path) -> Result<Listener, BindError> {
    bind(&BindAddr::Unix(path.into()), &Options::default()).map(|mut l| l.remove(0))
}

fn accept(listener: &Listener) -> Stream {
    wait(listener, Interest::Readable, soon()).unwrap();
    listener.accept().unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    (dir, path)
}

#[test]
fn a_client_is_served_and_known() {
    let (_dir, path) = place();
    let listener = try_listen(&path).unwrap();
    assert_eq!(listener.local_addr(), &LocalAddr::Unix(path.clone()));
    let mut client = UnixStream::connect(&path).unwrap();
    let server = accept(&listener);
    assert_eq!(server.peer(), PeerAddr::Unix);
    let peer = server.credentials().unwrap().unwrap();
    assert_eq!(peer.pid, Some(std::process::id()));
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.gid, rustix::process::getegid().as_raw());
    client.write_all(b"hello").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(server.recv(&mut buffer, soon()).unwrap(), 5);
    assert_eq!(server.peer_state(), PeerState::Open);
    server.send(b"bye", soon()).unwrap();
    server.reset();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"bye");
}

#[test]
fn names_are_found_on_request() {
    let (_dir, path) = place();
    let listener = try_listen(&path).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    let mut peer = accept(&listener).credentials().unwrap().unwrap();
    peer.uid = 0;
    peer.gid = 0;
    assert_eq!(peer.user_name().unwrap().as_deref(), Some("root"));
    assert_eq!(peer.group_name().unwrap().as_deref(), Some("root"));
    peer.uid = 3_999_999_999;
    peer.gid = 3_999_999_999;
    assert_eq!((peer.user_name().unwrap(), peer.group_name().unwrap()), (None, None));
}

#[test]
fn the_file_has_exactly_the_mode() {
    let (dir, _) = place();
    for mode in [0o600, 0o660, 0o666, 0o777, 0o000, 0o711] {
        let path = dir.path().join(format!("{mode:o}.sock"));
        let mut options = Options::default();
        options.unix_mode = Some(UnixMode::from_bits(mode).unwrap());
        let _listener = bind(&BindAddr::Unix(path.clone()), &options).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{mode:o}");
    }
}

#[test]
fn the_file_goes_with_the_last_clone() {
    let (_dir, path) = place();
    let listener = try_listen(&path).unwrap();
    let clone = listener.try_clone().unwrap();
    drop(listener);
    assert!(path.exists());
    drop(UnixStream::connect(&path).unwrap());
    drop(clone);
    assert!(!path.exists());
}

#[test]
fn closing_removes_the_file_and_refuses_newcomers() {
    let (dir, path) = place();
    let listener = try_listen(&path).unwrap();
    let kept = dir.path().join("kept.sock");
    fs::hard_link(&path, &kept).unwrap();
    let clone = listener.try_clone().unwrap();
    listener.close();
    assert!(!path.exists());
    assert_eq!(UnixStream::connect(&kept).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    wait(&clone, Interest::Readable, soon()).unwrap();
    assert!(matches!(clone.accept(), Err(AcceptError::Closed)));
    // A new server at the same place does not lose its file to what is left of the old one.
    let next = try_listen(&path).unwrap();
    drop((listener, clone));
    UnixStream::connect(&path).unwrap();
    accept(&next);
}

#[test]
fn a_file_that_is_no_longer_ours_stays() {
    let (_dir, path) = place();
    let listener = try_listen(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
    UnixStream::connect(&path).unwrap();
    other.accept().unwrap();
}

#[test]
fn a_dead_socket_is_replaced() {
    let (_dir, path) = place();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = try_listen(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    accept(&listener);
}

#[test]
fn a_live_server_is_respected() {
    let (dir, path) = place();
    let first = try_listen(&path).unwrap();
    let error = try_listen(&path).unwrap_err();
    assert!(matches!(error, BindError::Live { .. }), "{error}");
    assert!(error.to_string().contains("another server"), "{error}");
    UnixStream::connect(&path).unwrap();
    accept(&first);

    let datagrams = dir.path().join("datagrams");
    let _socket = UnixDatagram::bind(&datagrams).unwrap();
    assert!(matches!(try_listen(&datagrams), Err(BindError::Live { .. })));
}

#[test]
fn a_live_server_with_a_full_queue_is_respected() {
    let (_dir, path) = place();
    let mut options = Options::default();
    options.backlog = 0;
    let _first = bind(&BindAddr::Unix(path.clone()), &options).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    assert!(matches!(try_listen(&path), Err(BindError::Live { .. })));
}

#[test]
fn whatever_else_is_there_is_left_alone() {
    let (dir, path) = place();
    fs::write(&path, "precious").unwrap();
    let error = try_listen(&path).unwrap_err();
    assert!(error.to_string().contains("a regular file is in the way"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let inner = dir.path().join("dir");
    fs::create_dir(&inner).unwrap();
    let error = try_listen(&inner).unwrap_err();
    assert!(error.to_string().contains("a directory"), "{error}");

    let error = try_listen(&dir.path().join("missing/x.sock")).unwrap_err();
    assert!(matches!(error, BindError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("missing/x.sock"));
}

#[test]
fn a_planted_link_is_not_followed() {
    let (dir, path) = place();
    let target = dir.path().join("target");
    fs::write(&target, "precious").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let mut options = Options::default();
    options.unix_mode = Some(UnixMode::EVERYBODY);
    for to in [&target, &dir.path().join("nothing")] {
        let _ = fs::remove_file(&path);
        symlink(to, &path).unwrap();
        let error = bind(&BindAddr::Unix(path.clone()), &options).unwrap_err();
        assert!(error.to_string().contains("a symbolic link"), "{error}");
    }
    let found = fs::metadata(&target).unwrap();
    assert_eq!((found.mode() & 0o777, found.len()), (0o640, 8));
    assert!(!dir.path().join("nothing").exists());
}

#[test]
fn of_servers_that_start_at_once_exactly_one_wins() {
    for round in 0..50 {
        let (_dir, path) = place();
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).unwrap());
        }
        let barrier = Barrier::new(4);
        let results: Vec<_> = thread::scope(|scope| {
            let start = || {
                barrier.wait();
                try_listen(&path)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let winner: Vec<_> = results.iter().flatten().collect();
        assert_eq!(winner.len(), 1, "{results:?}");
        assert!(results.iter().all(|r| matches!(r, Ok(_) | Err(BindError::Live { .. }))), "{results:?}");
        UnixStream::connect(&path).unwrap();
        // The losers only looked: their connections are among those that wait.
        accept(winner[0]);
    }
}

#[test]
fn abstract_names_leave_no_file() {
    let name = format!("cherrystone-test-{}", std::process::id());
    let addr: BindAddr = format!("@{name}").parse().unwrap();
    let listener = bind(&addr, &Options::default()).unwrap().remove(0);
    assert_eq!(listener.local_addr().to_string(), format!("unix:@{name}"));
    assert!(matches!(bind(&addr, &Options::default()), Err(BindError::Refused { .. })));
    let client = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::connect(&client, &rustix::net::SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    assert!(accept(&listener).credentials().unwrap().is_some());
    listener.close();
    bind(&addr, &Options::default()).unwrap_err();
    drop(listener);
    bind(&addr, &Options::default()).unwrap();
}

#[test]
fn an_overlong_name_is_explained() {
    let (dir, _) = place();
    let long = dir.path().join("x".repeat(120));
    for addr in [BindAddr::Unix(long), BindAddr::Abstract(vec![b'x'; 108])] {
        let error = bind(&addr, &Options::default()).unwrap_err();
        assert!(error.to_string().contains("107 octets"), "{error}");
    }
    assert!(bind(&BindAddr::Abstract(vec![b'y'; 107]), &Options::default()).is_ok());
}

#[test]
fn an_inherited_listener_keeps_its_file() {
    let (_dir, path) = place();
    let theirs = UnixListener::bind(&path).unwrap();
    let ours = Listener::try_from(theirs.try_clone().unwrap()).unwrap();
    assert_eq!(ours.local_addr(), &LocalAddr::Unix(path.clone()));
    ours.close();
    drop(ours);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    UnixStream::connect(&path).unwrap();
    wait(&theirs, Interest::Readable, soon()).unwrap();
    theirs.accept().unwrap();
}
