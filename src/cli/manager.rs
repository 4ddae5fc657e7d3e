//! How does a service manager come to know?
//!
//! By a datagram to the socket that it named in `NOTIFY_SOCKET` (sd_notify(3)): a path, or an abstract name behind an `@`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;

use rustix::net::{SendFlags, SocketAddrUnix, sendto};
use sd_notify::NotifyState;

const VARIABLE: &str = "NOTIFY_SOCKET";

/// Whether there is one that wants to know.
pub(super) fn listens() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Tells it, if there is one.
pub(super) fn tell(what: &[NotifyState<'_>]) {
    let Some(socket) = std::env::var_os(VARIABLE) else { return };
    if let Err(error) = send(&socket, what) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

fn send(socket: &OsStr, what: &[NotifyState<'_>]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        path => SocketAddrUnix::new(path),
    }?;
    let text: String = what.iter().map(|state| format!("{state}\n")).collect();
    sendto(UnixDatagram::unbound()?, text.as_bytes(), SendFlags::NOSIGNAL, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_told_at_a_path_and_at_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("cherrystone-manager-{}", std::process::id());
        for (manager, named) in [
            (UnixDatagram::bind(&path), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()), format!("@{name}").into()),
        ] {
            let manager = manager.unwrap();
            manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            send(&named, &[NotifyState::Reloading, NotifyState::MainPid(7)]).unwrap();
            let mut text = [0; 64];
            let n = manager.recv(&mut text).unwrap();
            assert_eq!(std::str::from_utf8(&text[..n]), Ok("RELOADING=1\nMAINPID=7\n"), "{named:?}");
        }
        assert_eq!(
            send("@nobody-has-this-name".as_ref(), &[NotifyState::Ready]).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
    }
}
