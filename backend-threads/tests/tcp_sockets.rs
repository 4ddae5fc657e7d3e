//! Listeners and streams over TCP.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use cherrystone_threads::sockets::{
    AcceptError, BindAddr, BindError, Interest, Listener, LocalAddr, Options, PeerAddr, PeerState, Stream, bind,
    bind_beside, wait,
};
use rustix::fs::OFlags;
use rustix::io::FdFlags;
use rustix::net::sockopt;
use socket2::SockRef;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn listen(text: &str) -> Listener {
    let addr: BindAddr = text.parse().unwrap();
    bind(&addr, &Options::default()).unwrap_or_else(|e| panic!("{e}")).remove(0)
}

fn accept(listener: &Listener) -> Stream {
    wait(listener, Interest::Readable, soon()).unwrap();
    listener.accept().unwrap()
}

fn port(listener: &Listener) -> SocketAddr {
    listener.local_addr().tcp().unwrap()
}

fn pair() -> (TcpStream, Stream) {
    let listener = listen("127.0.0.1:0");
    let client = TcpStream::connect(port(&listener)).unwrap();
    (client, accept(&listener))
}

#[test]
fn the_real_port_is_known_and_the_peer_too() {
    let listener = listen("127.0.0.1:0");
    assert_ne!(port(&listener).port(), 0);
    assert!(matches!(listener.accept(), Err(AcceptError::WouldBlock)));
    let client = TcpStream::connect(port(&listener)).unwrap();
    let server = accept(&listener);
    assert_eq!(server.peer(), PeerAddr::Tcp(client.local_addr().unwrap()));
    assert_eq!(server.local_addr().unwrap(), LocalAddr::Tcp(client.peer_addr().unwrap()));
    assert_eq!(server.credentials().unwrap(), None);
}

#[test]
fn connections_inherit_what_was_set_on_the_listener() {
    let (_client, server) = pair();
    assert!(sockopt::tcp_nodelay(&server).unwrap());
    assert_eq!(SockRef::from(&server).tcp_notsent_lowat().unwrap(), 1 << 20);

    let mut options = Options::default();
    options.unsent_mark = Some(4096);
    let listener = bind(&"127.0.0.1:0".parse().unwrap(), &options).unwrap().remove(0);
    let _client = TcpStream::connect(port(&listener)).unwrap();
    assert_eq!(SockRef::from(&accept(&listener)).tcp_notsent_lowat().unwrap(), 4096);
}

#[test]
fn descriptors_are_non_blocking_and_close_on_exec() {
    let listener = listen("127.0.0.1:0");
    let _client = TcpStream::connect(port(&listener)).unwrap();
    let server = accept(&listener);
    let clone = listener.try_clone().unwrap();
    assert!(rustix::io::fcntl_getfd(&clone).unwrap().contains(FdFlags::CLOEXEC));
    assert!(rustix::io::fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));
    assert!(rustix::io::fcntl_getfd(&server).unwrap().contains(FdFlags::CLOEXEC));
    assert!(rustix::fs::fcntl_getfl(&listener).unwrap().contains(OFlags::NONBLOCK));
    assert!(rustix::fs::fcntl_getfl(&server).unwrap().contains(OFlags::NONBLOCK));
}

#[test]
fn a_try_call_never_blocks_even_on_a_blocking_descriptor() {
    let (_client, server) = pair();
    rustix::io::ioctl_fionbio(&server, false).unwrap();
    assert_eq!(server.try_recv(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let full = loop {
        if let Err(e) = server.try_send(&[0; 65536]) {
            break e;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    let piece = IoSlice::new(b"x");
    assert_eq!(server.try_send_vectored(&[piece]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let deadline = Instant::now() + Duration::from_millis(30);
    assert_eq!(server.send(b"x", deadline).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn dual_stack_shows_ipv4_clients_as_such() {
    let listener = listen("[::]:0");
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port(&listener).port())).unwrap();
    let server = accept(&listener);
    assert_eq!(server.peer(), PeerAddr::Tcp(client.local_addr().unwrap()));
    assert!(matches!(server.local_addr().unwrap(), LocalAddr::Tcp(addr) if addr.is_ipv4()));
    let _client = TcpStream::connect(("::1", port(&listener).port())).unwrap();
    assert!(matches!(accept(&listener).peer(), PeerAddr::Tcp(addr) if addr.is_ipv6()));
}

#[test]
fn all_interfaces_of_both_families_at_one_port_in_either_order() {
    let options = Options::default();
    let v4 = listen("0.0.0.0:0");
    let at = port(&v4).port();
    let others = [v4];
    let v6 = bind_beside(&format!("[::]:{at}").parse().unwrap(), &options, &others).unwrap();
    let _clients = [TcpStream::connect((Ipv4Addr::LOCALHOST, at)).unwrap(), TcpStream::connect(("::1", at)).unwrap()];
    assert!(matches!(accept(&others[0]).peer(), PeerAddr::Tcp(addr) if addr.is_ipv4()));
    assert!(matches!(accept(&v6[0]).peer(), PeerAddr::Tcp(addr) if addr.is_ipv6()));
    let dual = [listen("[::]:0")];
    let none = bind_beside(&format!("0.0.0.0:{}", port(&dual[0]).port()).parse().unwrap(), &options, &dual).unwrap();
    assert!(none.is_empty(), "{none:?}");
    // Nobody else's listener counts.
    let error = bind_beside(&format!("0.0.0.0:{at}").parse().unwrap(), &options, &v6).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}

#[test]
fn a_name_gives_all_its_addresses_with_one_port() {
    let addr: BindAddr = "localhost:0".parse().unwrap();
    let listeners = bind(&addr, &Options::default()).unwrap();
    assert!(!listeners.is_empty());
    for listener in &listeners {
        assert_eq!(port(listener).port(), port(&listeners[0]).port());
        assert!(port(listener).ip().is_loopback());
        let _client = TcpStream::connect(port(listener)).unwrap();
        accept(listener);
    }
    let unknown: BindAddr = "no-such-host.invalid:80".parse().unwrap();
    let error = bind(&unknown, &Options::default()).unwrap_err();
    assert!(matches!(error, BindError::Unresolved { .. }), "{error}");
    assert!(error.to_string().contains("no-such-host.invalid:80"));
}

#[test]
fn an_address_in_use_is_refused_and_may_be_shared_on_request() {
    let first = listen("127.0.0.1:0");
    let error = bind(&port(&first).into(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains(&port(&first).to_string()), "{error}");
    assert!(matches!(error, BindError::Refused { source, .. } if source.kind() == io::ErrorKind::AddrInUse));

    let mut shared = Options::default();
    shared.reuse_port = true;
    let first = bind(&"127.0.0.1:0".parse().unwrap(), &shared).unwrap().remove(0);
    let second = bind(&port(&first).into(), &shared).unwrap().remove(0);
    assert_eq!(port(&first), port(&second));
}

#[test]
fn a_port_can_be_listened_at_again_and_again() {
    // Clients of the tests beside this one get ports of 127.0.0.1, and might get this one.
    let mut addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77)), 0);
    let mut descriptor = None;
    for _ in 0..100 {
        let listener = bind(&addr.into(), &Options::default()).unwrap().remove(0);
        addr = port(&listener);
        // The server's side closes first, so that the connection goes to TIME_WAIT here.
        let client = TcpStream::connect(addr).unwrap();
        drop(accept(&listener));
        drop(client);
        listener.close();
        assert!(*descriptor.get_or_insert(listener.as_raw_fd()) + 64 > listener.as_raw_fd(), "descriptors leak");
    }
}

#[test]
fn closing_refuses_newcomers_and_wakes_all_clones() {
    let listener = listen("127.0.0.1:0");
    let addr = port(&listener);
    let clone = listener.try_clone().unwrap();
    let waiter = thread::spawn(move || {
        wait(&clone, Interest::Readable, soon()).unwrap();
        clone.accept().unwrap_err()
    });
    thread::sleep(Duration::from_millis(50));
    listener.close();
    listener.close();
    assert!(matches!(waiter.join().unwrap(), AcceptError::Closed));
    assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn an_inherited_listener_stays_open_for_others() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = Listener::try_from(theirs.try_clone().unwrap()).unwrap();
    assert!(ours.is_inherited());
    let client = TcpStream::connect(port(&ours)).unwrap();
    let server = accept(&ours);
    assert!(sockopt::tcp_nodelay(&server).unwrap());
    assert_eq!(server.peer(), PeerAddr::Tcp(client.local_addr().unwrap()));
    ours.close();
    drop(ours);
    let _client = TcpStream::connect(theirs.local_addr().unwrap()).unwrap();
    wait(&theirs, Interest::Readable, soon()).unwrap();
    theirs.accept().unwrap();
}

#[test]
fn only_listeners_are_inherited() {
    let (client, server) = pair();
    let error = Listener::try_from(std::os::fd::OwnedFd::from(server)).unwrap_err();
    assert!(error.to_string().contains("does not listen"), "{error}");
    drop(client);
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = bind(&BindAddr::Descriptor(file.as_raw_fd().cast_unsigned()), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = bind(&BindAddr::Descriptor(datagrams.as_raw_fd().cast_unsigned()), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("not a stream"), "{error}");
    for number in [i32::MAX.cast_unsigned(), 999_999] {
        let error = bind(&BindAddr::Descriptor(number), &Options::default()).unwrap_err();
        assert!(error.to_string().contains("not open"), "{error}");
    }
}

#[test]
fn a_descriptor_by_number_can_be_served_repeatedly() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = BindAddr::Descriptor(theirs.as_raw_fd().cast_unsigned());
    for _ in 0..3 {
        let listener = bind(&addr, &Options::default()).unwrap().remove(0);
        assert!(rustix::io::fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));
        let _client = TcpStream::connect(port(&listener)).unwrap();
        accept(&listener);
        listener.close();
    }
}

#[test]
fn bytes_travel_in_both_directions() {
    let (mut client, server) = pair();
    client.write_all(b"ping").unwrap();
    let mut buffer = [0; 16];
    let n = server.recv(&mut buffer, soon()).unwrap();
    assert_eq!(&buffer[..n], b"ping");
    assert_eq!(server.send(b"a", soon()).unwrap(), 1);
    assert_eq!(server.try_send_vectored(&[IoSlice::new(b"bc"), IoSlice::new(b""), IoSlice::new(b"d")]).unwrap(), 3);
    let many = [IoSlice::new(b"e"); 3000];
    assert_eq!(server.try_send_vectored(&many).unwrap(), 1024);
    server.shutdown_write().unwrap();
    server.shutdown_write().unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert_eq!(received, [b"abcd".to_vec(), vec![b'e'; 1024]].concat());
    client.write_all(b"late").unwrap();
    let n = server.recv(&mut buffer, soon()).unwrap();
    assert_eq!(&buffer[..n], b"late");
    drop(client);
    assert_eq!(server.recv(&mut buffer, soon()).unwrap(), 0);
}

#[test]
fn a_wait_for_bytes_ends_at_its_deadline() {
    let (_client, server) = pair();
    let start = Instant::now();
    let error = server.recv(&mut [0; 4], start + Duration::from_millis(40)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(40) && start.elapsed() < Duration::from_secs(5));
}

#[test]
fn sending_to_nobody_is_an_error_not_a_signal() {
    let (client, server) = pair();
    drop(client);
    let failure = loop {
        match server.send(b"x", soon()) {
            Ok(_) => thread::sleep(Duration::from_millis(5)),
            Err(e) => break e.kind(),
        }
    };
    assert!(matches!(failure, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{failure}");
    assert_eq!(server.peer_state(), PeerState::Gone);
}

#[test]
fn the_state_of_the_peer_is_told() {
    let (mut client, server) = pair();
    assert_eq!(server.peer_state(), PeerState::Open);
    client.write_all(b"x").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let until = soon();
    while server.peer_state() == PeerState::Open && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(server.peer_state(), PeerState::Finished);
    server.send(b"y", soon()).unwrap();
    assert_eq!(client.read(&mut [0; 4]).unwrap(), 1);
}

#[test]
fn a_reset_is_seen_as_one() {
    let (mut client, server) = pair();
    server.reset();
    assert_eq!(client.read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_file_is_sent_without_copying() {
    let (mut client, server) = pair();
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    file.write_all(&content).unwrap();
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        received
    });
    let mut offset = 1000_u64;
    loop {
        match server.send_file(&file, offset, usize::MAX) {
            Ok(0) => break,
            Ok(n) => offset += n as u64,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait(&server, Interest::Writable, soon()).unwrap(),
            Err(e) => panic!("{e}"),
        }
    }
    drop(server);
    assert_eq!(reader.join().unwrap(), content[1000..]);
}

#[test]
fn a_connection_that_was_reset_while_waiting_harms_nobody() {
    let listener = listen("127.0.0.1:0");
    for _ in 0..50 {
        let client = TcpStream::connect(port(&listener)).unwrap();
        sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    }
    let good = TcpStream::connect(port(&listener)).unwrap();
    let until = soon();
    loop {
        assert!(Instant::now() < until);
        match listener.accept() {
            Ok(server) if server.peer() == PeerAddr::Tcp(good.local_addr().unwrap()) => break,
            Ok(_) | Err(AcceptError::Next(_) | AcceptError::WouldBlock) => {}
            Err(e) => panic!("{e}"),
        }
    }
}
