//! Do the examples pass the cases of the conformance suite?
//!
//! Each example is compiled into this test and started as its `main` starts it, at a port that the system chooses; then every case is
//! played. The simulator is played in simulated time, the driver of io_uring by the kernel and by a queue in memory.
#![cfg(unix)]
#![allow(clippy::duplicate_mod, reason = "each example is a program of its own, and they share the application")]

mod fixed_arena;
mod judged;
mod memory_queue;
mod serial;
mod simulated;

use std::io;
use std::net::TcpListener;
use std::thread;

use cherrystone_conformance::case::Transport;
use cherrystone_conformance::target::Target;
use cherrystone_conformance::testbed::{Testbed, limits};
use cherrystone_core::gateway::Mode;

use judged::{judge, judge_small};

macro_rules! example {
    ($name:ident at $path:literal) => {
        #[path = $path]
        #[allow(dead_code, reason = "the tests start what the example's own `main` starts")]
        mod $name;
    };
}

example!(blocking at "../../../examples/blocking.rs");
example!(simulator at "../../../examples/simulator.rs");
example!(poll at "../../examples/poll.rs");
example!(smol_runtime at "../../examples/smol.rs");
example!(tls at "../../examples/tls.rs");
example!(tokio_runtime at "../../examples/tokio.rs");
example!(uring at "../../examples/uring/main.rs");

/// Starts a server on a thread of its own, and judges it over sockets.
fn served(name: &str, transport: Transport, serve: impl FnOnce(TcpListener) -> io::Result<()> + Send + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = Target::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    if transport == Transport::Tls {
        target = target.with_tls().unwrap();
    }
    thread::spawn(move || serve(listener).expect("the example serves until the test ends"));
    judge(name, &target.authority(), transport, &target);
}

#[test]
fn blocking_sockets() {
    served("blocking", Transport::Clear, |listener| blocking::listen(&listener));
}

#[test]
fn poll_loop() {
    served("poll", Transport::Clear, |listener| poll::listen(&listener, &Testbed::new(Mode::Inline)));
}

#[test]
fn tokio() {
    served("tokio", Transport::Clear, |listener| {
        listener.set_nonblocking(true)?;
        let runtime = ::tokio::runtime::Runtime::new()?;
        runtime.block_on(async { tokio_runtime::listen(::tokio::net::TcpListener::from_std(listener)?).await })
    });
}

#[test]
fn smol() {
    served("smol", Transport::Clear, |listener| {
        let listener = ::smol::net::TcpListener::try_from(listener)?;
        ::smol::block_on(smol_runtime::listen(listener, Testbed::new(Mode::Inline)))
    });
}

#[test]
fn tls_by_the_embedder() {
    let config = tls::tls().unwrap();
    served("tls", Transport::Tls, |listener| tls::listen(&listener, config));
}

#[test]
#[cfg(target_os = "linux")]
fn io_uring() {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    if let Err(error) = uring::ring::Ring::new(probe) {
        eprintln!("not tried: this kernel refuses io_uring ({error}); `a_queue_in_memory` drives the same code");
        return;
    }
    served("uring", Transport::Clear, |listener| {
        let here = listener.local_addr()?;
        let gateway = Testbed::new(Mode::Inline);
        uring::driver::Driver::new(uring::ring::Ring::new(listener)?, &gateway, limits(), here).run()
    });
}

#[test]
fn a_queue_in_memory() {
    let (queue, clients) = memory_queue::queue();
    thread::spawn(move || {
        let here = "127.0.0.1:80".parse().unwrap();
        uring::driver::Driver::new(queue, &Testbed::new(Mode::Inline), limits(), here).run()
    });
    judge("uring, by a queue in memory", "memory.example", Transport::Clear, &clients);
}

#[test]
fn a_line_that_reads_octet_by_octet() {
    judge_small("blocking, over a serial pair", "serial.example", &serial::Line, 4096, 1);
}

#[test]
fn without_std_in_a_fixed_arena() {
    let program = fixed_arena::build(None).unwrap();
    fixed_arena::fills(&fixed_arena::Program(program.clone()));
    judge_small("fixed arena", "arena.example", &fixed_arena::Program(program), 3072, 4);
}

#[test]
fn without_std_for_other_machines() {
    // A microcontroller and a browser have no system that the program could run on: there the library has to build.
    for target in ["thumbv7em-none-eabi", "wasm32-unknown-unknown", "i686-unknown-linux-musl"] {
        if !fixed_arena::has_target(target) {
            eprintln!("not tried: no library for {target} is installed (rustup target add {target})");
            continue;
        }
        let program = fixed_arena::build(Some(target)).unwrap();
        if cfg!(target_arch = "x86_64") && target.starts_with("i686") {
            judge_small("fixed arena, 32 bits", "arena.example", &fixed_arena::Program(program), 3072, 4);
        }
    }
}

#[test]
fn a_simulated_world() {
    assert_eq!(simulator::thousand_worlds(), 5);
    // The last thing the client says is half a head; its two seconds pass in no time.
    let outcome = simulator::simulate(7);
    assert!(outcome.received.windows(12).any(|octets| octets == b"HTTP/1.1 408"), "{}", outcome.log);
    assert!(outcome.over_at.as_secs() >= 2, "{}", outcome.log);
    judge("simulator", "moon.example", Transport::Clear, &simulated::World::default());
}
