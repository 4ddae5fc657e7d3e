//! Does a server end when it is told to, and as it should?

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use cherrystone::gateway::{Done, Exchange, Failure};
use cherrystone::{Handle, Head, Server, ServerError, Size, Status};

use crate::common::*;

const LONG: Duration = Duration::from_secs(8);

/// Pushes without end.
fn push(_: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let mut writer = exchange.start_response(Status::OK, &[], Size::Unknown)?;
    loop {
        writer.write_all(&[b'x'; 1000])?;
    }
}

/// Stops the server that it runs on.
fn stop_myself(handle: Handle) -> impl Fn(Head<'_>, Exchange<'_>) -> Result<Done, Failure> + Send + Sync {
    move |_, exchange| {
        handle.stop(Duration::from_millis(100));
        exchange.respond(Status::OK, &[], "stopped")
    }
}

/// Stops in another thread and says how that went and how long it took.
fn stop(bed: &Bed, within: Duration) -> thread::JoinHandle<(cherrystone::Stopped, Duration)> {
    let running = bed.running.clone();
    thread::spawn(move || {
        let start = Instant::now();
        (running.stop(within), start.elapsed())
    })
}

on_all_setups_at_once! {
    /// Silent and idle clients are closed at once, and hold nothing up, even if they keep their side open.
    fn idle_clients_are_closed_at_once(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut silent = bed.connect();
        let mut idle = bed.connect();
        idle.send(get("/"));
        assert_eq!(idle.answer().status, 200);
        // Longer than a request may be on its way.
        pause(300);
        let stopping = stop(&bed, LONG);
        let start = Instant::now();
        assert!(silent.rest().is_empty() && idle.rest().is_empty());
        assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
        let (stopped, took) = stopping.join().unwrap();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!((stopped.cut, stopped.busy), (0, 0));
        assert_eq!(bed.running.stats().open, 0);
    }

    /// Whoever has just connected, or was just answered, may have a request on its way: it is waited for a moment, answered, and is the
    /// last one.
    fn a_request_that_is_on_its_way_is_answered(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut fresh = bed.connect();
        let mut busy = bed.connect();
        busy.send(get("/"));
        assert_eq!(busy.answer().status, 200);
        let stopping = stop(&bed, LONG);
        pause(60);
        for peer in [&mut fresh, &mut busy] {
            peer.send(get("/"));
            let answer = peer.answer();
            assert_eq!((answer.text(), answer.closes()), ("ok", true));
            assert!(peer.rest().is_empty());
        }
        let (stopped, took) = stopping.join().unwrap();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!((stopped.cut, stopped.busy), (0, 0));
    }

    /// Requests under way are answered, the answer announces the end, and newcomers are refused meanwhile.
    fn requests_under_way_are_answered(setup) {
        for deferring in [false, true] {
            let bed = if deferring { Bed::deferring(setup, |_| {}) } else { Bed::new(setup, |_| {}) };
            let mut peers: Vec<Peer> = (0..3).map(|_| bed.connect()).collect();
            for peer in &mut peers {
                peer.send(get("/sleep?s=0.5"));
            }
            pause(150);
            let stopping = stop(&bed, LONG);
            pause(100);
            assert_eq!(TcpStream::connect(bed.address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let start = Instant::now();
            for peer in &mut peers {
                let answer = peer.answer();
                assert_eq!((answer.text(), answer.closes()), ("ok", true));
                assert!(peer.rest().is_empty());
            }
            // The clients keep their side open: that is no reason to wait for them for long.
            let (stopped, _) = stopping.join().unwrap();
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            assert_eq!((stopped.cut, stopped.busy), (0, 0));
        }
    }

    /// A request that has come when the stop begins is answered, on a fresh connection and on an idle one.
    fn a_request_that_has_come_is_answered(setup) {
        for _ in 0..4 {
            let bed = Bed::new(setup, |_| {});
            let mut peers: Vec<Peer> = (0..40).map(|_| bed.connect()).collect();
            for peer in peers.iter_mut().take(20) {
                peer.send(get("/"));
                assert_eq!(peer.answer().status, 200);
            }
            for peer in &mut peers {
                peer.send(get("/"));
            }
            let (stopped, _) = stop(&bed, LONG).join().unwrap();
            assert_eq!(stopped.cut, 0);
            for peer in &mut peers {
                assert_eq!(peer.answer().text(), "ok");
            }
        }
    }

    /// What does not end is cut at the deadline, counted, and does not look complete.
    fn the_deadline_cuts(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut partial = bed.connect();
        partial.send("GET / HT");
        let mut unfinished = bed.connect();
        unfinished.send(post("/echo", 100) + "begun");
        let mut drip = bed.connect();
        drip.send("GET /drip HTTP/1.0\r\n\r\n");
        assert_eq!(drip.head(), 200);
        let mut stuck = Peer::narrow(bed.address);
        stuck.send(get("/stream"));
        let mut upgraded = bed.connect();
        upgraded.send(UPGRADE);
        assert_eq!(upgraded.answer().status, 101);
        pause(100);
        let (stopped, took) = stop(&bed, Duration::from_millis(400)).join().unwrap();
        assert!(took >= Duration::from_millis(390) && took < Duration::from_millis(1500), "{took:?}");
        assert_eq!((stopped.cut, stopped.busy), (5, 0));
        assert_eq!(bed.running.stats().open, 0);
        partial.end();
        unfinished.end();
        upgraded.end();
        assert!(drip.fate().is_err(), "an answer that only its end delimits ended regularly");
        assert!(!stuck.answer().is_complete);
    }

    /// A client that takes an endless answer as fast as it comes does not keep its worker from being cut.
    fn a_fast_reader_is_cut_too(setup) {
        for pushed in [false, true] {
            let bed = if pushed { Bed::of(setup, OnWorkers(push), |_| {}) } else { Bed::new(setup, |_| {}) };
            let mut reader = bed.connect();
            reader.send(get("/stream"));
            assert_eq!(reader.head(), 200);
            let reading = thread::spawn(move || reader.end());
            pause(50);
            let (stopped, took) = stop(&bed, Duration::from_millis(200)).join().unwrap();
            assert!(took < Duration::from_millis(1200), "{took:?}");
            assert_eq!((stopped.cut, stopped.busy), (1, 0));
            reading.join().unwrap();
        }
    }

    /// A handler that does not come back is left behind, and the server has ended all the same.
    fn a_handler_that_stays_is_left_behind(setup) {
        if !setup.sleeps_in_workers() {
            return;
        }
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        peer.send(get("/sleep?s=2.5"));
        pause(50);
        let (stopped, took) = stop(&bed, Duration::from_millis(100)).join().unwrap();
        assert!(took < Duration::from_millis(1500), "{took:?}");
        assert_eq!((stopped.cut, stopped.busy), (1, 1));
        // Its connection ends with it.
        assert!(peer.end() < Duration::from_secs(3));
    }

    /// A second stop waits for the same end, and may bring it nearer, but does not cut by itself.
    fn stopping_twice_is_stopping_once(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        peer.send(get("/sleep?s=0.5"));
        pause(100);
        let stops = [stop(&bed, LONG), stop(&bed, LONG), stop(&bed, LONG)];
        assert_eq!(peer.answer().text(), "ok");
        let ends = stops.map(|stop| stop.join().unwrap().0);
        assert!(ends.iter().all(|stopped| *stopped == ends[0]));
        assert_eq!((ends[0].cut, ends[0].busy), (0, 0));
        assert_eq!(bed.running.stop(Duration::ZERO), ends[0]);

        let bed = Bed::new(setup, |_| {});
        let mut partial = bed.connect();
        partial.send("GET / HT");
        pause(50);
        let first = stop(&bed, LONG);
        pause(50);
        let (stopped, took) = stop(&bed, Duration::from_millis(100)).join().unwrap();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(stopped, first.join().unwrap().0);
        assert_eq!(stopped.cut, 1);
    }

    /// A handler, inline too, may stop the server that it runs on.
    fn a_handler_may_stop_its_server(setup) {
        let (sender, receiver) = channel::<Handle>();
        let receiver = std::sync::Mutex::new(receiver);
        let gateway = move |head: Head<'_>, exchange: Exchange<'_>| {
            let handle = receiver.lock().unwrap().recv().unwrap();
            stop_myself(handle)(head, exchange)
        };
        let bed = Bed::of(setup, Placed(setup, gateway), |_| {});
        sender.send(bed.handle.clone()).unwrap();
        let mut peer = bed.connect();
        peer.send(get("/"));
        peer.end();
        let (_, took) = stop(&bed, LONG).join().unwrap();
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert!(TcpStream::connect(bed.address).is_err());
    }

    /// Dropping a server ends it, even if there are handles of it.
    fn dropping_is_stopping(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        peer.send(get("/"));
        assert_eq!(peer.answer().status, 200);
        let (address, handle) = (bed.address, bed.handle.clone());
        drop(bed);
        peer.end();
        assert!(TcpStream::connect(address).is_err());
        assert!(handle.stats().is_none());
    }

    /// `run` returns when a stop or an interruption is asked for, before it or meanwhile.
    fn run_returns(setup) {
        let make = || {
            let server = Server::new(|_: Head<'_>, exchange: Exchange<'_>| {
                pause(300);
                exchange.respond(Status::OK, &[], "ok")
            });
            server.backend(setup.backend()).settings(settings(setup)).bind("127.0.0.1:0").unwrap()
        };
        let server = make();
        server.handle().stop(LONG);
        server.run().unwrap();

        let server = make();
        let (handle, address) = (server.handle(), server.addresses().find_map(|a| a.tcp()).unwrap());
        let run = thread::spawn(move || server.run());
        let mut peer = Peer::connect(address);
        peer.send(get("/"));
        pause(100);
        // The thread of `run` and this one stop it together: the request is answered all the same.
        let stopped = handle.stop(LONG);
        assert_eq!(peer.answer().text(), "ok");
        assert_eq!(stopped.cut, 0);
        run.join().unwrap().unwrap();

        let server = make();
        let handle = server.handle();
        let run = thread::spawn(move || server.run());
        pause(50);
        handle.interrupt("because");
        assert!(matches!(run.join().unwrap(), Err(ServerError::Interrupted(error)) if error.to_string() == "because"));

        let server = make();
        let handle = server.handle();
        let running = server.start().unwrap();
        handle.request_stop(LONG);
        until(LONG, || TcpStream::connect(address).is_err(), || "it still listens".into());
        assert_eq!(running.stop(LONG).cut, 0);
    }

    /// A listener that was passed in goes on for those who share it; a socket file of our own goes with us.
    fn listeners_are_left_as_they_should_be(setup) {
        let serve = |server: Server| server.backend(setup.backend()).settings(settings(setup)).start().unwrap();
        let gateway = |_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], "ok");
        let shared = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = shared.local_addr().unwrap();
        let running = serve(Server::new(gateway).listener(shared.try_clone().unwrap().try_into().unwrap()));
        let mut peer = Peer::connect(address);
        peer.send(get("/"));
        assert_eq!(peer.answer().status, 200);
        running.stop(LONG);
        let late = TcpStream::connect(address).unwrap();
        shared.set_nonblocking(true).unwrap();
        shared.accept().unwrap();
        drop(late);

        let path = std::env::temp_dir().join(format!("cherrystone-{}-{setup:?}.sock", std::process::id()));
        let running = serve(Server::new(gateway).bind(format!("unix:{}", path.display())).unwrap());
        let mut peer = std::os::unix::net::UnixStream::connect(&path).unwrap();
        peer.write_all(get("/").as_bytes()).unwrap();
        let mut status = [0; 12];
        std::io::Read::read_exact(&mut peer, &mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        running.stop(LONG);
        assert!(!path.exists());
    }

    /// A hundred lives at one port.
    fn a_server_may_start_and_stop_a_hundred_times(setup) {
        let bed = Bed::new(setup, |_| {});
        let address = bed.address;
        drop(bed);
        for n in 0..100 {
            let server = Server::new(|_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], "ok"));
            let server = server.backend(setup.backend()).settings(settings(setup)).bind(address.to_string()).unwrap();
            let running = server.start().unwrap();
            if n % 10 == 0 {
                let mut peer = Peer::connect(address);
                peer.send(get("/"));
                assert_eq!(peer.answer().status, 200);
            }
            let start = Instant::now();
            running.stop(LONG);
            assert!(start.elapsed() < Duration::from_secs(1), "{n}: {:?}", start.elapsed());
        }
    }
}
