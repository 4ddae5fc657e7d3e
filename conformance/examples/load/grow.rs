//! How does what a request costs grow?
//!
//! With the number of connections, the number of fields, the pieces that a head comes in, and the length of content. A line of the data
//! is a curve, the set-up, the place and the figure there. How long one client waits beside idle connections is among them.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::SetUp;
use crate::client::{answer, connect, request, round};
use crate::process::{Server, cpu, memory};

/// Connections that are active at a time.
const ACTIVE: usize = 64;
const GIB: u64 = 1 << 30;

/// Takes the figures, and writes them to a file.
pub(crate) fn run(data: &Path) -> Result<(), Box<dyn Error>> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let mut figures = Figures::default();
    for set_up in [SetUp::MioInline, SetUp::Threads] {
        connections(set_up, &mut figures)?;
        waits(set_up, &mut figures)?;
        fields(set_up, &mut figures)?;
        pieces(set_up, &mut figures)?;
        transfers(set_up, &mut figures)?;
    }
    std::fs::write(data, figures.text)?;
    Ok(())
}

#[derive(Default)]
struct Figures {
    text: String,
}

impl Figures {
    fn note(&mut self, curve: &str, set_up: SetUp, at: usize, figure: f64) -> Result<(), Box<dyn Error>> {
        let line = format!("{curve},{},{at},{figure:.3}", set_up.name());
        println!("{line}");
        writeln!(self.text, "{line}")?;
        Ok(())
    }
}

/// Microseconds of CPU time of the server for each of `n` repetitions, in the cheapest of three turns: a busy machine makes some dearer.
fn cost(server: &Server, n: usize, mut work: impl FnMut() -> std::io::Result<()>) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let before = cpu(server.pid())?;
        for _ in 0..n {
            work()?;
        }
        let used = cpu(server.pid())?.saturating_sub(before);
        least = least.min(used.as_secs_f64() * 1e6 / n as f64);
    }
    Ok(least)
}

/// The cost of a request beside idle connections, and the memory of connections.
fn connections(set_up: SetUp, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let plain = request(0, 0);
    let mut room = vec![0; 64 << 10];
    for n in [10, 100, 1000, 10_000] {
        let server = Server::start(set_up)?;
        let mut active = connect(server.address, ACTIVE.min(n))?;
        // Workers and buffers are there before memory is looked at.
        for _ in 0..200 {
            round(&mut active, &plain, &mut room)?;
        }
        std::thread::sleep(Duration::from_millis(300));
        let before = memory(server.pid())?;
        let mut others = connect(server.address, n - active.len())?;
        for some in others.chunks_mut(ACTIVE) {
            round(some, &plain, &mut room)?;
        }
        std::thread::sleep(Duration::from_millis(500));
        if n == 10_000 {
            figures.note(
                "octets-idle-connection",
                set_up,
                n,
                (memory(server.pid())? - before) / others.len() as f64,
            )?;
        }
        let rounds = 20_000 / active.len();
        let us = cost(&server, rounds, || round(&mut active, &plain, &mut room))? / active.len() as f64;
        figures.note("us-request-by-connections", set_up, n, us)?;
        if n == 1000 {
            // All of them in the middle of a head.
            let before = memory(server.pid())?;
            for stream in &mut others {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: local")?;
            }
            std::thread::sleep(Duration::from_millis(500));
            let grown = memory(server.pid())? - before;
            figures.note("octets-active-connection", set_up, n, grown / others.len() as f64)?;
        }
    }
    Ok(())
}

/// How many microseconds a single active client waits for its answers, on a server with idle connections and on one without, in turns.
fn waits(set_up: SetUp, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    const TURNS: usize = 15;
    const ASKED: usize = 2000;
    let plain = request(0, 0);
    let mut room = vec![0; 64 << 10];
    let mut places = Vec::new();
    for idle in [0, 10_000] {
        let server = Server::start(set_up)?;
        let mut others = connect(server.address, idle)?;
        for some in others.chunks_mut(ACTIVE) {
            round(some, &plain, &mut room)?;
        }
        let active = connect(server.address, 1)?;
        places.push((idle, server, others, active, [Vec::new(), Vec::new()]));
    }
    for _ in 0..TURNS {
        for (.., active, found) in &mut places {
            let mut times = Vec::with_capacity(ASKED);
            for _ in 0..ASKED {
                let begun = Instant::now();
                round(active, &plain, &mut room)?;
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            times.sort_by(f64::total_cmp);
            found[0].push(times[ASKED / 2]);
            found[1].push(times[ASKED * 99 / 100]);
        }
    }
    for (idle, .., found) in &mut places {
        for (curve, found) in ["us-wait-median-by-idle", "us-wait-p99-by-idle"].into_iter().zip(found) {
            found.sort_by(f64::total_cmp);
            figures.note(curve, set_up, *idle, found[TURNS / 2])?;
        }
    }
    Ok(())
}

/// The cost of more fields of 80 octets, up to a head of 8 KiB.
fn fields(set_up: SetUp, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let server = Server::start(set_up)?;
    let mut room = vec![0; 64 << 10];
    let mut streams = connect(server.address, ACTIVE)?;
    for n in [1, 10, 25, 50, 75, 100] {
        let request = request(n, 80);
        round(&mut streams, &request, &mut room)?;
        let us = cost(&server, 300, || round(&mut streams, &request, &mut room))? / ACTIVE as f64;
        figures.note("us-request-by-fields", set_up, n, us)?;
    }
    Ok(())
}

/// The cost of a head of 800 octets that comes in pieces.
fn pieces(set_up: SetUp, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let server = Server::start(set_up)?;
    let mut room = vec![0; 64 << 10];
    let mut streams = connect(server.address, ACTIVE)?;
    let request = request(10, 76);
    for size in [1, 4, 16, 64, 256, request.len()] {
        let pieces = request.len().div_ceil(size);
        let us = cost(&server, (4000 / pieces).max(4), || {
            // One piece for each connection after the other, so that the server sees them one by one.
            for piece in request.chunks(size) {
                for stream in &mut streams {
                    stream.write_all(piece)?;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
            streams.iter_mut().try_for_each(|stream| answer(stream, &mut room).map(drop))
        })?;
        figures.note("us-request-by-pieces", set_up, pieces, us / ACTIVE as f64)?;
    }
    Ok(())
}

/// A GiB in one request, each way, in milliseconds of CPU time.
fn transfers(set_up: SetUp, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let server = Server::start(set_up)?;
    let mut room = vec![0; 1 << 20];
    let mut stream = connect(server.address, 1)?.remove(0);
    let mut huge = || {
        stream.write_all(b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        answer(&mut stream, &mut room).map(drop)
    };
    // The first time, the kernel makes pages of the holes.
    huge()?;
    let us = cost(&server, 1, huge)?;
    figures.note("ms-gib-file-down", set_up, 1, us / 1000.0)?;
    let us = cost(&server, 1024, || {
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        answer(&mut stream, &mut room).map(drop)
    })?;
    figures.note("ms-gib-memory-down", set_up, 1, us * 1.024)?;
    let us = cost(&server, 1, || upload(&mut stream, &mut room))?;
    figures.note("ms-gib-up", set_up, 1, us / 1000.0)?;
    stream.shutdown(Shutdown::Both)?;
    Ok(())
}

fn upload(stream: &mut TcpStream, room: &mut [u8]) -> std::io::Result<()> {
    stream.write_all(format!("POST /sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: {GIB}\r\n\r\n").as_bytes())?;
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..GIB >> 20 {
        stream.write_all(&megabyte)?;
    }
    answer(stream, room).map(drop)
}
